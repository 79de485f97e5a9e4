"""Promotion of real models of the small project: measured, gated, tagged, shown and taken back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
import yaml
from prefect.artifacts import Artifact
from typer.testing import CliRunner

from dwc.cli import app
from dwc.config import Params, load_params
from dwc.evaluation.queries import load_queries
from dwc.parameters import change_parameters
from dwc.promotion.measure import Catalogue, Measuring, measure_package
from dwc.promotion.outcome import Outcome
from dwc.promotion.promote import promote
from dwc.registry import tracking
from dwc.registry.champions import standing
from dwc.registry.versions import fetch_package, register_model
from dwc.store.build import build_store
from dwc.store.dataset import Store
from flows.stage import BUILD
from tests.flows.conftest import Workspace
from tests.flows.test_pipeline import latest

NAME = "dwc-tiny"


class Quiet:
    """Runs steps without showing them."""

    def step(self, _name: str, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        return work(*args, **kwargs)

    def progress(self, _description: str) -> Callable[[int, int], None]:
        return lambda _done, _total: None


@pytest.fixture
def store(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> mlflow.MlflowClient:
    """A copy of the workspace's tracking store, so that other tests find its aliases as they were."""
    monkeypatch.chdir(workspace.root)
    shutil.copyfile(workspace.root / ".mlflow" / "mlflow.db", tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    return mlflow.MlflowClient(tracking.configure(None, workspace.root))


def hold(params: Params | None = None, **arguments: Any) -> Outcome | None:
    with tracking.stage_run("promote", experiment="tiny", params={}, tags={}, upstream={}) as run:
        return promote(
            params or lenient(),
            Path.cwd(),
            BUILD,
            **{"model": None, "without_champion": False, **arguments},
            run=run,
            teller=Quiet(),
        )


def lenient(**changes: Any) -> Params:
    """The workspace's parameters; on a busy machine one of two equal models may take five times as long."""
    params = load_params(Path("params.yaml"))
    settings = params.promote.model_copy(update={"latency_factor": None, "predictions": 2, **changes})
    return params.model_copy(update={"promote": settings})


def register(package: Path) -> str:
    """A new version, and challenger."""
    run_id = json.loads((BUILD / "runs/train.json").read_text())["run_id"]
    example = mlflow.models.Model.load(f"models:/{NAME}@challenger").load_input_example()
    return register_model(run_id, package, NAME, alias="challenger", tags={}, input_example=example).version


def damaged(package: Path, folder: Path) -> Path:
    """A copy of a package whose CNN stream has been set to zero, so that it finds nothing."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(package, folder)
    file = folder / "model" / "cnn_stream.safetensors"
    weights = {name: value.clone().zero_() for name, value in load_file(file).items()}
    save_file(weights, file)
    return folder


def last_run(store: mlflow.MlflowClient) -> mlflow.entities.Run:
    experiment = store.get_experiment_by_name("tiny")
    assert experiment is not None
    return store.search_runs([experiment.experiment_id], "tags.`dwc.stage` = 'promote'", max_results=1)[0]


def test_a_package_measured_anew_gives_the_evaluate_stages_results(store: mlflow.MlflowClient) -> None:
    params = load_params(Path("params.yaml"))
    catalogue = Catalogue.open(BUILD, params.data.root, 100.0)
    found = measure_package(
        fetch_package(f"models:/{NAME}@challenger"), catalogue, Measuring.by(params), selection="best"
    )
    written = load_queries(Path("metrics/queries.csv"))
    assert (found.queries.protocol, found.queries.searched) == (written.protocol, written.searched)
    pd.testing.assert_frame_equal(found.queries.table, written.table, check_dtype=False, rtol=1e-5)
    kept = json.loads((BUILD / "evaluation/metrics.json").read_text())
    assert found.metrics["systems"]["clip_sum"]["mean"] == kept["systems"]["clip_sum"]["mean"]


def test_a_package_of_another_resolution_reads_the_raw_pictures(
    store: mlflow.MlflowClient, tmp_path: Path
) -> None:
    """The package is of 32 pixels, the store of 48; on pictures of 32 it finds what the stage found."""

    params = load_params(Path("params.yaml"))
    catalogue = Catalogue.open(BUILD, params.data.root, 100.0)
    (tmp_path / "store").mkdir()
    tables = catalogue.tables
    build_store(
        tables.images,
        tables.triplets,
        params.data.root,
        tmp_path / "store",
        resolution=48,
        min_word_count=1,
        caption_variants="joined",
    )
    larger = replace(catalogue, store=Store(tmp_path / "store"))
    found = measure_package(
        fetch_package(f"models:/{NAME}@challenger"), larger, Measuring.by(params), selection="best"
    )
    pd.testing.assert_frame_equal(
        found.queries.table, load_queries(Path("metrics/queries.csv")).table, check_dtype=False, rtol=1e-5
    )


def test_first_equal_and_worse_challengers_and_the_way_back(
    store: mlflow.MlflowClient, tmp_path: Path
) -> None:
    first = standing(NAME).challenger
    assert first is not None
    outcome = hold()
    assert outcome is not None and outcome.decision.passed and outcome.paired is None
    assert standing(NAME).champion == first and standing(NAME).previous_champion is None
    again = CliRunner().invoke(app, ["promote"])
    assert again.exit_code == 0 and "champion already" in again.stdout

    package = fetch_package(f"models:/{NAME}/{first}")
    second = register(package)
    outcome = hold()
    assert outcome is not None and outcome.paired is not None
    assert (outcome.paired.difference.low, outcome.paired.wins, outcome.paired.losses) == (0.0, 0, 0)
    assert (standing(NAME).champion, standing(NAME).previous_champion) == (second, first)
    same = CliRunner().invoke(app, ["regression", "--against", "champion"])
    assert same.exit_code == 0 and "does not differ significantly from champion" in same.output, same.output
    tags = store.get_model_version(NAME, second).tags
    assert tags["dwc.promotion"] == "promoted" and tags["dwc.promotion.against"] == first
    assert tags["dwc.promotion.difference"] == "+0.000 (+0.000 to +0.000)"
    assert last_run(store).data.metrics["promoted"] == 1.0

    third = register(damaged(package, tmp_path / "package"))
    before = standing(NAME)
    outcome = hold(lenient(floors={"mrr": 0.99}))
    assert outcome is not None and not outcome.decision.passed
    assert standing(NAME) == before
    assert store.get_model_version(NAME, third).tags["dwc.promotion"] == "refused"
    run = last_run(store)
    assert run.data.metrics["promoted"] == 0.0
    names = {artifact.path for artifact in store.list_artifacts(run.info.run_id)}
    assert {"promotion.md", "promotion.html", "promotion.json"} <= names
    told = json.loads(mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/promotion.json"))
    assert told["promoted"] is False and told["challenger"] == third and "mrr" in told["reason"]
    page = mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/promotion.html")
    assert "is refused" in page and ("data:image/jpeg" in page) == bool(told["changed"])

    back = CliRunner().invoke(app, ["rollback"])
    assert f"version {first} is champion again, no longer version {second}." in back.stdout
    assert standing(NAME).champion == first


def test_packages_that_cannot_be_read_are_named(store: mlflow.MlflowClient) -> None:
    first = standing(NAME).challenger
    assert first is not None
    hold()
    package = fetch_package(f"models:/{NAME}/{first}")
    second = register(package)
    source = Path(store.get_model_version_download_uri(NAME, first).removeprefix("file://"))
    if not source.is_dir():
        source = Path(
            store.get_logged_model(store.get_model_version(NAME, first).source[8:]).artifact_location[7:]
        )
    weights = next(source.rglob("cnn_stream.safetensors"))
    content = weights.read_bytes()
    before = standing(NAME)
    try:
        weights.write_bytes(content[:100])
        with pytest.raises(ValueError, match=rf"/{first}, the champion: the serving package.*`dwc rollback`"):
            hold()
        assert standing(NAME) == before
        outcome = hold(without_champion=True)
        assert outcome is not None and outcome.decision.passed
    finally:
        weights.write_bytes(content)
    assert (standing(NAME).champion, standing(NAME).previous_champion) == (second, first)


def test_deleted_versions_and_missing_data(store: mlflow.MlflowClient, workspace: Workspace) -> None:
    first = standing(NAME).challenger
    assert first is not None
    package = fetch_package(f"models:/{NAME}/{first}")
    hold()
    second = register(package)
    hold()
    third = register(package)

    lock, data = Path("dvc.lock"), Path("data.dvc")
    kept = {file: file.read_text() for file in (lock, data)}
    try:
        data.write_text(yaml.safe_dump({"outs": [{"md5": "f" * 32 + ".dir", "path": "data"}]}))
        with pytest.raises(ValueError, match=r"data.dvc names ffff.*`dvc repro`"):
            hold()
        data.unlink()
        with pytest.raises(ValueError, match="names no data revision"):
            hold()
    finally:
        for file, text in kept.items():
            file.write_text(text)

    store.delete_model_version(NAME, second)
    with pytest.raises(
        ValueError, match=rf"the champion, version {second}, was deleted .*version {first} with"
    ):
        hold()
    store.delete_model_version(NAME, third)
    with pytest.raises(ValueError, match="nobody is challenger"):
        hold()
    with pytest.raises(ValueError, match=rf"models:/{NAME}/{third}: .*deleted; there are versions {first}"):
        hold(model=f"models:/{NAME}/{third}")


def test_the_flow_promotes_and_a_failed_gate_ends_with_status_1(
    store: mlflow.MlflowClient, workspace: Workspace
) -> None:
    challenger = standing(NAME).challenger
    before = (workspace.root / "params.yaml").read_bytes()
    result = workspace.flows("pipeline", "--promote", "--set", "promote.floors.mrr=1.0")
    assert result.returncode == 1
    assert f"promote: dwc-tiny version {challenger} is refused: mrr 0." in result.stderr, result.stderr
    assert standing(NAME).champion is None
    refused = latest("promote")
    assert refused.state is not None and refused.state.name == "Refused"
    assert refused.parent_task_run_id is not None
    page = Artifact.get("promote-summary")
    assert page is not None and page.flow_run_id == refused.id and "is refused" in str(page.data)
    refused_again = CliRunner().invoke(app, ["promote"])
    assert refused_again.exit_code == 1 and "is refused" in refused_again.stdout
    (workspace.root / "params.yaml").write_bytes(before)

    result = workspace.flows("promote")
    assert result.returncode == 0, result.stderr
    assert f"version {challenger} is promoted" in result.stdout.replace("\n", " ")
    assert standing(NAME).champion == challenger


@pytest.mark.slow
def test_a_refreshed_model_is_refused_or_promoted_and_neither_is_a_failure(
    store: mlflow.MlflowClient, workspace: Workspace
) -> None:
    file = workspace.root / "params.yaml"
    before = file.read_text()
    nothing = workspace.flows("refresh")
    assert nothing.returncode == 0 and nothing.stdout.startswith("Nothing new"), nothing.stderr
    assert standing(NAME).champion is None

    change_parameters(file, None, ["evaluate.bootstrap.resamples=40", "promote.floors.mrr=1.0"])
    refused = workspace.flows("refresh")
    assert refused.returncode == 0, refused.stderr
    assert "Refused: dwc-tiny version" in refused.stdout and standing(NAME).champion is None

    file.write_text(before)
    promoted = workspace.flows("refresh")
    assert promoted.returncode == 0, promoted.stderr
    assert promoted.stdout.rstrip().endswith("Promoted")
    assert standing(NAME).champion == standing(NAME).challenger is not None
