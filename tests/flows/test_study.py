"""`dwc study`: only what is missing is run, a stopped study goes on, and a failed run loses nothing."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml

from flows.revision import code_digest, commit, require_committed
from tests.conftest import ROOT
from tests.flows.conftest import Workspace, make_workspace
from tests.flows.toy import Toy, make_toy


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    monkeypatch.setenv("TOY", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([os.environ["PYTHONPATH"], str(ROOT)]))
    monkeypatch.setenv("COLUMNS", "200")
    return make_toy(tmp_path)


def wait_for(condition: Callable[[], object], what: str, seconds: float = 240) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, f"waited in vain for {what}"
        time.sleep(0.1)


def runs(toy: Toy) -> pd.DataFrame:
    return pd.read_csv(toy.documents / "runs.csv")


def test_a_study_is_stopped_goes_on_shares_its_runs_and_survives_failures(toy: Toy) -> None:
    status, listed = toy.study()
    assert status == 0 and re.search(r"labels +0/4 +0 +Soft or hard\?", listed), listed
    assert toy.ran() == [], "listing runs nothing"

    toy.hold.touch()
    process = toy.start("labels")
    wait_for(lambda: any("seed2" in line for line in toy.ran()), "the first run of the second seed")
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "4 runs, 4 of them to do." in output and "Stopped. `dwc study labels` goes on" in output
    assert runs(toy)["seed"].tolist() == [1, 1]

    toy.hold.unlink()
    before = len(toy.ran())
    status, output = toy.study("labels")
    assert status == 0, output
    assert "4 runs, 2 of them to do." in output
    assert [line.split()[0] for line in toy.ran()[before:]] == ["train", "evaluate"] * 2
    assert sum(line.startswith("embed") for line in toy.ran()) == 1, "what does not change is done once"
    page = (toy.documents / "labels.md").read_text()
    assert "| hard | 0.0 (0.0–0.0) | **−100.0 (−100.0 to −100.0)** | −100.0 / −100.0 |" in page
    assert (toy.documents / "labels.png").stat().st_size > 5_000

    assert runs(toy)["git"].eq(commit(toy.root)).all()
    recorded = set(runs(toy)["run"])
    made = toy.git("for-each-ref", "--format=%(refname)", "refs/exps").split()
    assert {name.rpartition("/")[2] for name in made} == recorded
    assert {name.split("/")[2] + name.split("/")[3] for name in made} == {commit(toy.root)}
    stored = yaml.safe_load(toy.git("show", f"{made[0]}:params.yaml"))
    assert stored["preprocess"] == {"resolution": 32}
    assert yaml.safe_load((toy.root / "params.yaml").read_text())["preprocess"] == {"resolution": 96}

    before = len(toy.ran())
    status, output = toy.study("labels")
    assert status == 0 and "4 runs, 0 of them to do." in output
    (toy.documents / "labels.md").unlink()
    status, output = toy.study("labels", "--report-only")
    assert status == 0 and (toy.documents / "labels.md").read_text() == page
    assert len(toy.ran()) == before

    status, output = toy.study("all")
    assert status == 1 and "2 runs failed" in output, output
    assert output.count("failed: Error: train.batch_size = 999 is too large. (log: build/studies/logs/") == 2
    assert set(runs(toy)["run"]) == recorded, "the plain variant of the other study was there already"
    assert "2 of the 4 runs are missing." in (toy.documents / "batch.md").read_text()

    with (toy.root / "step.py").open("a") as file:
        file.write("# changed\n")
    toy.git("commit", "--quiet", "--all", "--message", "other code")
    status, listed = toy.study()
    assert re.search(r"labels +4/4 +0 ", listed) and "4 of 6 runs are recorded" in listed, listed
    (toy.documents / "labels.md").unlink()
    status, output = toy.study("all", "--report-only")
    assert status == 0 and (toy.documents / "labels.md").is_file(), "records of other code are shown too"


def test_what_is_not_committed_is_refused_before_anything_runs(toy: Toy) -> None:
    with (toy.root / "params.yaml").open("a") as file:
        file.write("embed: {batch_size: 2}\n")
    status, output = toy.study("labels")
    assert status == 1 and "params.yaml" in output and "Traceback" not in output
    assert toy.ran() == []
    toy.git("commit", "--quiet", "--all", "--message", "changed")
    require_committed(toy.root)


def test_the_codes_digest_follows_what_stages_depend_on(toy: Toy) -> None:
    first = code_digest(toy.root, "HEAD")
    (toy.root / "other.txt").write_text("nobody depends on it")
    toy.git("add", "other.txt")
    toy.git("commit", "--quiet", "--message", "other")
    assert code_digest(toy.root, "HEAD") == first
    with (toy.root / "step.py").open("a") as file:
        file.write("# changed\n")
    toy.git("commit", "--quiet", "--all", "--message", "step")
    assert code_digest(toy.root, "HEAD") != first


def test_an_unknown_study_names_the_known_ones(toy: Toy) -> None:
    status, output = toy.study("label")
    assert status == 1 and "Known are: labels, batch." in output and "Traceback" not in output


def test_a_folder_without_data_is_told_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("{}")
    status, output = Toy(tmp_path).study()
    assert status == 1 and "data.dvc" in output and "Traceback" not in output


@pytest.mark.slow
def test_a_study_of_the_real_stages(
    tmp_path_factory: pytest.TempPathFactory, prefect_api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two variants, one seed: noisy captions are trained on, nothing is registered, all is tracked."""
    workspace = make_workspace(tmp_path_factory.mktemp("study"))
    (workspace.root / "studies.yaml").write_text(
        "setting: {description: tiny, parameters: {data.name: tiny-study, train.challenger: false}}\n"
        "seeds: [1]\nmeasures: [recall_at_10, mrr]\n"
        "studies:\n  noise:\n    title: Noise\n    question: Does it hurt?\n"
        "    variants:\n      as it is: {}\n      noisy: {train.captions.replaced: 1.0}\n"
    )
    result = workspace.run(sys.executable, "-m", "flows.cli", "study", "noise")
    assert result.returncode == 0, result.stdout + result.stderr
    _check_real_study(workspace)


def _check_real_study(workspace: Workspace) -> None:
    runs = pd.read_csv(workspace.root / "docs/studies/runs.csv")
    assert runs["queries"].tolist() == [12, 12] and runs["fused.recall_at_10"].between(0, 1).all()
    logs = [
        (workspace.root / f"build/studies/logs/{name}.log").read_text()
        for name in ("preparation", *runs["run"])
    ]
    assert [workspace.ran(text) for text in logs] == [
        ["validate", "preprocess", "embed"], ["train", "evaluate"], ["train", "evaluate"],
    ]  # fmt: skip
    assert (workspace.root / "docs/studies/noise.png").is_file()
    from dwc.registry import tracking
    from dwc.registry.store import current_client

    tracking.configure(None, workspace.root)
    client = current_client()
    assert not client.search_registered_models()
    (experiment,) = (e for e in client.search_experiments() if e.name == "tiny-study")
    tracked = client.search_runs([experiment.experiment_id], "tags.`dwc.stage` = 'evaluate'")
    assert {run.data.tags["dwc.dvc_experiment"] for run in tracked} == set(runs["run"])
