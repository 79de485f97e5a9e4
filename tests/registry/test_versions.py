"""Model versions: a tiny but real model is registered, loaded back and served over HTTP."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest

from dwc.registry import tracking
from dwc.registry.versions import ModelVersion, move_alias, register_model
from dwc.serving.retriever import Retriever
from tests.serving.tiny import Tiny, build_tiny

NAME = "dwc-wardrobe"


@dataclass(frozen=True, kw_only=True)
class Registered:
    address: str
    root: Path
    run_id: str
    tiny: Tiny
    first: ModelVersion
    second: ModelVersion


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Registered:
    """Two versions of one tiny model, registered in the middle of a train run."""
    root = tmp_path_factory.mktemp("registry")
    (root / "tiny").mkdir()
    tiny = build_tiny(root / "tiny")
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("MLFLOW_TRACKING_URI", raising=False)
        address = tracking.configure(None, root)
    with tracking.stage_run(
        "train",
        experiment="wardrobe",
        params={"train": {"dim": 16}},
        tags={"git_sha": "a" * 40, "data": "b" * 32},
        upstream={"embed": "run-of-embed"},
    ) as run:
        run.log_metrics({"heldout_recall_at_10": 0.5})
        versions = [register(run.id, tiny) for _ in range(2)]
        assert mlflow.MlflowClient(address).get_run(run.id).info.status == "RUNNING"
    return Registered(
        address=address, root=root, run_id=run.id, tiny=tiny, first=versions[0], second=versions[1]
    )


@pytest.fixture
def client(registered: Registered) -> mlflow.MlflowClient:
    """The store of this module, which other modules' tests may have turned away from."""
    tracking.configure(registered.address, registered.root)
    return mlflow.MlflowClient(registered.address)


def register(run_id: str, tiny: Tiny) -> ModelVersion:
    return register_model(
        run_id,
        tiny.package,
        NAME,
        alias="challenger",
        tags={"dvc_lock": "c" * 32},
        input_example=pd.DataFrame([question(tiny, 0) | {"k": 3}]),
    )


def question(tiny: Tiny, number: int) -> dict[str, Any]:
    picture = base64.b64encode(tiny.images[number].read_bytes()).decode()
    return {"image": picture, "text": "is red instead"}


def test_the_alias_names_the_newest_version(registered: Registered, client: mlflow.MlflowClient) -> None:
    assert (registered.first.version, registered.second.version) == ("1", "2")
    assert registered.second == ModelVersion(name=NAME, version="2", uri=f"models:/{NAME}/2")
    assert str(client.get_model_version_by_alias(NAME, "challenger").version) == "2"


def test_a_version_carries_the_lineage_of_its_run(
    registered: Registered, client: mlflow.MlflowClient
) -> None:
    version = client.get_model_version(NAME, "2")
    assert version.run_id == registered.run_id
    expected = {
        "dwc.stage": "train",
        "dwc.git_sha": "a" * 40,
        "dwc.data": "b" * 32,
        "dwc.dvc_lock": "c" * 32,
        "dwc.upstream.embed": "run-of-embed",
    }
    assert expected.items() <= version.tags.items()
    model = client.get_logged_model(version.source.removeprefix("models:/"))
    assert model.status == "READY"
    assert json.loads(model.tags["mlflow.modelVersions"]) == [{"name": NAME, "version": "2"}]
    assert model.source_run_id == registered.run_id
    assert model.params["train.dim"] == "16"


def test_the_signature_says_what_is_sent_and_got(client: mlflow.MlflowClient) -> None:
    signature = mlflow.models.get_model_info(f"models:/{NAME}/2").signature
    columns = {column["name"]: column for column in signature.inputs.to_dict()}
    assert {name: column["type"] for name, column in columns.items()} == {
        "image": "string",
        "text": "string",
        "k": "long",
    }
    assert [name for name, column in columns.items() if not column["required"]] == ["k"]
    assert signature.outputs.input_names() == ["ids", "scores", "image_weight"]


def test_the_model_answers_as_its_package(registered: Registered, client: mlflow.MlflowClient) -> None:
    model = mlflow.pyfunc.load_model(f"models:/{NAME}@challenger")
    answers = model.predict(pd.DataFrame([question(registered.tiny, number) for number in (0, 1)]))
    expected = Retriever.load(registered.tiny.package).search(
        registered.tiny.images[1].read_bytes(), "is red instead"
    )
    assert answers["ids"][1] == expected.ids


def test_nothing_stored_is_a_pickle(registered: Registered, client: mlflow.MlflowClient) -> None:
    folders = [path.parent for path in registered.root.rglob("MLmodel")]
    assert len(folders) == 2
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    assert any(file.suffix == ".safetensors" for file in files)
    assert [file for file in files if looks_pickled(file)] == []


def test_pickles_would_be_noticed(tmp_path: Path) -> None:
    import pickle

    import torch

    (tmp_path / "plain").write_bytes(pickle.dumps({"a": 1}))
    (tmp_path / "old").write_bytes(pickle.dumps({"a": 1}, protocol=0))
    torch.save({"a": torch.ones(1)}, tmp_path / "zipped")
    assert all(looks_pickled(tmp_path / name) for name in ("plain", "old", "zipped"))


def looks_pickled(file: Path) -> bool:
    """By name, by a pickle's first and last byte, or because it is an archive with a pickle inside."""
    if file.suffix in {".pkl", ".pickle", ".pt", ".pth", ".joblib", ".bin", ".pyc"}:
        return True
    if zipfile.is_zipfile(file):
        return any(name.endswith(".pkl") for name in zipfile.ZipFile(file).namelist())
    content = file.read_bytes()
    return content[:1] in (b"\x80", b"(") and content[-1:] == b"."


def test_requirements_are_named_for_any_index(registered: Registered) -> None:
    listed = next(registered.root.rglob("requirements.txt")).read_text().split()
    names = {line.partition("==")[0] for line in listed}
    assert {"mlflow", "torch", "torchvision", "open-clip-torch", "safetensors"} <= names
    assert all("==" in line and "+" not in line for line in listed)


def test_an_alias_moves_and_says_where_it_was(registered: Registered, client: mlflow.MlflowClient) -> None:
    assert move_alias(NAME, "champion", "1") is None
    assert move_alias(NAME, "champion", "2") == "1"
    assert str(client.get_model_version_by_alias(NAME, "champion").version) == "2"


def test_an_alias_cannot_name_what_is_not_there(registered: Registered, client: mlflow.MlflowClient) -> None:
    with pytest.raises(ValueError, match=r"dwc-wardrobe@champion cannot name version 99"):
        move_alias(NAME, "champion", "99")


def test_moves_at_the_same_time_all_find_what_they_set(
    registered: Registered, client: mlflow.MlflowClient
) -> None:
    """Without the lock one would read back what another has set."""
    problems: list[Exception] = []

    def move(version: str) -> None:
        try:
            for _ in range(5):
                move_alias(NAME, "contested", version)
        except Exception as error:
            problems.append(error)

    movers = [threading.Thread(target=move, args=(version,)) for version in ("1", "2", "1", "2")]
    for mover in movers:
        mover.start()
    for mover in movers:
        mover.join()
    assert problems == []


def test_a_model_that_cannot_answer_is_not_registered(
    registered: Registered, client: mlflow.MlflowClient
) -> None:
    bad = pd.DataFrame([{"image": "AAAA", "text": "is red"}])
    with pytest.raises(ValueError, match="row 0: uploaded image: cannot be decoded"):
        register_model(
            registered.run_id,
            registered.tiny.package,
            "dwc-other",
            alias="challenger",
            tags={},
            input_example=bad,
        )
    assert client.search_registered_models(filter_string="name = 'dwc-other'") == []
    experiment = client.get_run(registered.run_id).info.experiment_id
    statuses = [model.status for model in client.search_logged_models([experiment])]
    assert sorted(statuses) == ["FAILED", "READY", "READY"]


@pytest.fixture
def server(registered: Registered) -> Iterator[str]:
    """`mlflow models serve`, as `python -m flows serve` starts it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", f"models:/{NAME}@challenger"]
    log = registered.root / "server.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)],
            cwd=registered.root,
            env={**os.environ, "MLFLOW_TRACKING_URI": registered.address},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/ping", process, log)
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise AssertionError(f"no answer from {address}:\n{log.read_text()}")


def post(address: str, content: object) -> Any:
    request = urllib.request.Request(
        address, json.dumps(content).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def test_the_challenger_is_served_over_http(registered: Registered, server: str) -> None:
    tiny = registered.tiny
    asked = question(tiny, 1)
    expected = Retriever.load(tiny.package).search(tiny.images[1].read_bytes(), asked["text"], 4)
    split = {"columns": ["image", "text", "k"], "data": [[asked["image"], asked["text"], 4]]}
    for content in ({"dataframe_records": [asked | {"k": 4}]}, {"dataframe_split": split}):
        (answer,) = post(server, content)["predictions"]
        assert answer["ids"] == expected.ids
        assert answer["scores"] == pytest.approx(expected.scores, abs=1e-4)
        assert answer["image_weight"] == pytest.approx(expected.image_weight, abs=1e-4)
    (answer,) = post(server, {"dataframe_records": [asked]})["predictions"]
    assert len(answer["ids"]) == 10
    with pytest.raises(urllib.error.HTTPError) as refused:
        post(server, {"dataframe_records": [asked, asked | {"text": " "}]})
    assert refused.value.code == 400
    assert "row 1: text is empty" in refused.value.read().decode()
