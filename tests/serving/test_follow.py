"""The server follows the alias of a real registry while questions are asked."""

from __future__ import annotations

import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from starlette.testclient import TestClient

from dwc.console import SilentTeller
from dwc.evaluation.encode import encode_gallery
from dwc.model.bundle import load_bundle, save_bundle
from dwc.registry import tracking
from dwc.registry.champions import crown
from dwc.registry.served import served_now
from dwc.registry.versions import move_alias, register_model
from dwc.serving import live_gallery
from dwc.serving.app import create_app
from dwc.serving.follow import Follower
from dwc.serving.gallery_folder import open_gallery
from dwc.serving.live import load_version
from dwc.serving.package import Gallery, build_package
from dwc.serving.retriever import Retriever
from dwc.serving.service import Service
from tests.serving.shop import NAME, base64_of, question
from tests.serving.tiny import RESOLUTION, Tiny


@dataclass(frozen=True, kw_only=True)
class Registry:
    """Version 1 is the tiny package, version 2 another model whose gallery lacks the first image."""

    address: str
    root: Path
    packages: dict[str, Path]


@pytest.fixture(scope="module")
def registry(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Registry:
    root = tmp_path_factory.mktemp("registry")
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("MLFLOW_TRACKING_URI", raising=False)
        address = tracking.configure(None, root)
    packages = {"1": tiny.package, "2": another_package(tiny, root)}
    example = pd.DataFrame({"image": [base64_of(tiny.images[0])], "text": ["is red"], "k": [2]})
    with tracking.stage_run("train", experiment="wardrobe", params={}, tags={}, upstream={}) as run:
        for package in packages.values():
            register_model(run.id, package, NAME, alias="challenger", tags={}, input_example=example)
    return Registry(address=address, root=root, packages=packages)


def another_package(tiny: Tiny, root: Path) -> Path:
    """The same sizes with other weights, and the gallery embedded by them."""
    shutil.copytree(tiny.package / "model", root / "model")
    model = load_bundle(root / "model")
    torch.manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    save_bundle(root / "model", model)
    ids = tiny.store.image_ids[1:]
    streams = encode_gallery(model, tiny.store, tiny.store.rows(ids), batch_size=12)
    build_package(
        root / "package",
        dataset="wardrobe",
        resolution=RESOLUTION,
        model_folder=root / "model",
        clip_folder=tiny.package / "clip",
        gallery=Gallery(
            ids=ids, cnn=streams.cnn.numpy(), clip=streams.clip.numpy(), categories=tiny.categories[1:]
        ),
    )
    return root / "package"


@dataclass(frozen=True, kw_only=True)
class Shop:
    service: Service
    client: TestClient
    follower: Follower
    outcomes: list[str]

    def version(self) -> str:
        return str(self.client.get("/api/model").json()["version"])

    def found(self) -> list[tuple[str, float]]:
        results = self.client.post("/api/search", json=question(k=200)).json()["results"]
        return [(result["id"], result["score"]) for result in results]


@pytest.fixture
def shop(registry: Registry, tiny: Tiny, tmp_path: Path) -> Iterator[Shop]:
    """A server that follows the champion, which is version 1, looked at by hand."""
    tracking.configure(registry.address, registry.root)
    client = mlflow.MlflowClient(registry.address)
    client.set_registered_model_alias(NAME, "champion", "1")
    client.set_registered_model_alias(NAME, "challenger", "2")
    files = {path.stem: path for path in tiny.images}
    outcomes: list[str] = []
    load = partial(
        load_version,
        follow_package=True,
        picture_of=lambda name: Image.open(files[name]).convert("RGB"),
        device="cpu",
    )
    with open_gallery(tmp_path / "gallery", NAME) as folder:
        service = Service(folder, load(folder, served_now(NAME, None), teller=SilentTeller()))
        follower = Follower(
            service=service,
            name=NAME,
            address=None,
            folder=folder.path,
            bring_up=load,
            counted=outcomes.append,
        )
        with TestClient(create_app(service)) as opened:
            yield Shop(service=service, client=opened, follower=follower, outcomes=outcomes)
        service.close()


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "it did not happen in time"
        time.sleep(0.01)


def test_which_version_is_meant(shop: Shop) -> None:
    assert served_now(NAME, None).version.version == "1"
    assert served_now(NAME, None).address == f"models:/{NAME}@champion"
    assert served_now(NAME, f"models:/{NAME}@challenger").version.version == "2"
    mlflow.MlflowClient().delete_registered_model_alias(NAME, "champion")
    assert served_now(NAME, None).version.version == "2"
    assert served_now(NAME, None).address == f"models:/{NAME}@challenger"
    mlflow.MlflowClient().delete_registered_model_alias(NAME, "challenger")
    with pytest.raises(ValueError, match="no champion and no challenger"):
        served_now(NAME, None)


def test_a_new_champion_answers_and_knows_what_was_added(shop: Shop, registry: Registry, tiny: Tiny) -> None:
    """What both packages have is found as the new one embeds it, added and older pictures by its own eyes."""
    content = tiny.images[3].read_bytes()
    shop.client.post("/api/images", data={"id": "mine", "categories": ["hat"]}, files={"file": content})
    shop.client.delete("/api/images/dress-2")
    before = shop.found()
    crown(NAME, "2", instead_of="1", tags={})
    assert shop.version() == "1"
    shop.follower.look()
    about = shop.client.get("/api/model").json()
    assert (about["version"], about["uri"], about["images"]) == ("2", f"models:/{NAME}@champion", 12)
    after = dict(shop.found())
    assert after.keys() == dict(before).keys()
    retriever = Retriever.load(registry.packages["2"])
    answer = retriever.search(tiny.images[0].read_bytes(), "is red", k=200)
    expected = dict(zip(answer.ids, answer.scores, strict=True))
    shared = after.keys() & expected.keys()
    assert len(shared) == 10
    assert [after[name] for name in sorted(shared)] == pytest.approx(
        [expected[name] for name in sorted(shared)], abs=1e-5
    )
    own = np.concatenate(
        [
            retriever._cnn_gallery[retriever.ids.index("shirt-3")],
            retriever._clip_gallery[retriever.ids.index("shirt-3")],
        ]
    )
    _, streams = shop.service.live.gallery.streams("hat")
    assert np.allclose(np.concatenate([streams.cnn[0], streams.clip[0]]), own, atol=1e-4)
    assert shop.outcomes == ["done"]


def test_no_request_is_dropped_while_the_model_changes(shop: Shop) -> None:
    ended = threading.Event()
    answers: list[tuple[int, str, tuple[tuple[str, float], ...]]] = []

    def ask() -> None:
        while not ended.is_set():
            response = shop.client.post("/api/search", json=question(k=3))
            body = response.json()
            results = tuple((result["id"], round(result["score"], 4)) for result in body["results"])
            answers.append((response.status_code, body["model_version"], results))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    move_alias(NAME, "champion", "2")
    shop.follower.look()
    wait_until(lambda: any(version == "2" for _, version, _ in answers))
    ended.set()
    for thread in threads:
        thread.join()
    assert {status for status, _, _ in answers} == {200}
    assert {version for _, version, _ in answers} == {"1", "2"}
    by_version = {version: {results for _, own, results in answers if own == version} for version in "12"}
    assert all(
        len(results) == 1 for results in by_version.values()
    )  # one model answers whole, never a mixture
    assert by_version["1"] != by_version["2"]


def test_what_is_added_while_a_model_is_brought_up_is_there_afterwards(shop: Shop, tiny: Tiny) -> None:
    load = shop.follower.bring_up

    def load_and_meanwhile_change(*arguments: object, **more: object) -> object:
        live = load(*arguments, **more)
        content = tiny.images[5].read_bytes()
        added = shop.client.post("/api/images", data={"id": "late"}, files={"file": content})
        assert added.status_code == 201
        assert shop.client.delete("/api/images/shirt-1").status_code == 204
        return live

    shop.follower.bring_up = load_and_meanwhile_change  # type: ignore[assignment]
    move_alias(NAME, "champion", "2")
    shop.follower.look()
    names = dict(shop.found())
    assert shop.version() == "2" and "late" in names and "shirt-1" not in names and len(names) == 12


def test_back_again_the_old_embeddings_are_still_there(shop: Shop) -> None:
    before = shop.found()
    for version in ("2", "1"):
        move_alias(NAME, "champion", version)
        shop.follower.look()
    assert shop.version() == "1"
    assert shop.found() == before


def test_the_same_version_under_another_alias_is_not_loaded_again(shop: Shop) -> None:
    encoder = shop.service.live.encoder
    client = mlflow.MlflowClient()
    client.set_registered_model_alias(NAME, "challenger", "1")
    client.delete_registered_model_alias(NAME, "champion")
    shop.follower.look()
    assert shop.client.get("/api/model").json()["uri"] == f"models:/{NAME}@challenger"
    assert shop.service.live.encoder is encoder


def test_a_version_that_cannot_be_loaded_changes_nothing(
    shop: Shop, registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    """Its source is gone; the one that answers goes on, and the broken one is not fetched at every look."""
    client = mlflow.MlflowClient()
    broken = client.create_model_version(NAME, source=(registry.root / "nothing").as_uri())
    move_alias(NAME, "champion", str(broken.version))
    for _ in range(3):
        shop.follower.look()
    assert shop.version() == "1" and len(shop.found()) == 12
    assert shop.outcomes == ["failed"]
    assert "version 1 goes on answering" in caplog.text
    move_alias(NAME, "champion", "2")
    shop.follower.look()
    assert shop.version() == "2"
    client.delete_model_version(NAME, str(broken.version))


def test_a_registry_that_does_not_answer_changes_nothing(
    shop: Shop, registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    """It is followed again once it answers."""
    move_alias(NAME, "champion", "2")
    database = sqlite3.connect(registry.address.removeprefix("sqlite:///"), isolation_level=None)
    database.execute("ALTER TABLE registered_models RENAME TO away")
    try:
        with shop.follower.every(0.05):
            wait_until(lambda: "cannot be followed" in caplog.text)
            time.sleep(0.3)
            assert caplog.text.count("cannot be followed") == 1
            assert shop.version() == "1"
            database.execute("ALTER TABLE away RENAME TO registered_models")
            wait_until(lambda: shop.version() == "2")
    finally:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'registered_models'").fetchone():
            database.execute("ALTER TABLE away RENAME TO registered_models")
        database.close()


def test_a_worn_index_is_built_anew(shop: Shop, monkeypatch: pytest.MonkeyPatch, tiny: Tiny) -> None:
    monkeypatch.setattr(live_gallery, "_FEW", 2)
    before = shop.service.live.gallery
    shop.follower.look()
    assert shop.service.live.gallery is before
    for name in ("dress-2", "dress-4", "dress-6", "dress-8"):
        shop.client.delete(f"/api/images/{name}")
    content = tiny.images[5].read_bytes()
    shop.client.post("/api/images", data={"id": "mine"}, files={"file": content})
    found = shop.found()
    shop.follower.look()
    assert shop.service.live.gallery is not before
    assert shop.found() == found
