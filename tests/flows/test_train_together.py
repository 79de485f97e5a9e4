"""The train stage on two devices: two processes on the CPU, real torchrun, real gloo."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from pathlib import Path

import psutil
import pytest
from mlflow import MlflowClient

from dwc.config import parse_params
from dwc.parameters import change_parameters
from flows.ranks import MEETING, devices_in_all
from tests.flows.conftest import Workspace, make_workspace, processes_in
from tests.flows.test_faults import start, wait_for


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory, prefect_api: str) -> Workspace:
    """A project of its own up to the features, for training on two devices."""
    fresh = make_workspace(tmp_path_factory.mktemp("together") / "project")
    changes = ["train.devices=2", "train.challenger=false", "train.dropout=0", "train.precision=fp32"]
    change_parameters(fresh.root / "params.yaml", None, changes)
    fresh.dvc("repro", "embed")
    return fresh


def change(workspace: Workspace, *changes: str) -> None:
    change_parameters(workspace.root / "params.yaml", None, changes)


def history(workspace: Workspace) -> list[dict[str, float]]:
    """Whole epochs of an unfinished training."""
    state = workspace.root / "build/checkpoints/last/state.json"
    return json.loads(state.read_text())["history"] if state.is_file() else []


def ranks_of(root: Path) -> list[psutil.Process]:
    """Processes that train for a project."""
    return [p for p in psutil.process_iter() if "flows.rank" in (command(p)) and where(p) == str(root)]


def command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def where(process: psutil.Process) -> str:
    try:
        return process.cwd()
    except psutil.Error:
        return ""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_devices_train_one_model_and_everything_is_tracked(embedded: Workspace) -> None:
    change(embedded, "train.epochs=2", "train.devices=2", "train.batch_size=8")
    output = embedded.dvc("repro", "train")
    assert "Train on 2 devices" in output
    assert "up to date" in embedded.dvc("status", "train")
    assert not (embedded.root / "build/checkpoints").exists() and not processes_in(embedded.root)
    record = json.loads((embedded.root / "build/runs/train.json").read_text())
    client = MlflowClient(f"sqlite:///{embedded.root / '.mlflow/mlflow.db'}")
    together = client.get_run(record["run_id"])
    assert together.info.status == "FINISHED"
    assert len(client.get_metric_history(record["run_id"], "cnn_contrastive")) == 2
    assert client.get_metric_history(record["run_id"], "step.cnn_contrastive")[0].step == 0

    change(embedded, "train.devices=1")
    embedded.dvc("repro", "train")
    alone = client.get_run(json.loads((embedded.root / "build/runs/train.json").read_text())["run_id"])
    for name in ("step.cnn_contrastive", "step.clip_contrastive"):  # before any update has rounded otherwise
        first = [client.get_metric_history(run.info.run_id, name)[0].value for run in (together, alone)]
        assert first[0] == pytest.approx(first[1], abs=1e-4)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("victim", ["stage", "rank"])
def test_killed_it_leaves_no_process_and_goes_on(embedded: Workspace, victim: str) -> None:
    shutil.rmtree(embedded.root / "build/checkpoints", ignore_errors=True)
    change(embedded, "train.epochs=60", "train.devices=2")
    process = start(embedded, sys.executable, "-m", "flows", "train")
    wait_for(lambda: len(history(embedded)) >= 2, 200)
    if victim == "stage":
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    else:
        ranks_of(embedded.root)[-1].send_signal(signal.SIGKILL)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "was ended by Signal 9 (SIGKILL)" in output.splitlines()[-1] and "Traceback" not in output
    wait_for(lambda: not processes_in(embedded.root), 60)
    behind = len(history(embedded))
    assert 2 <= behind < 60
    again = start(embedded, sys.executable, "-m", "flows", "train")
    seen: list[int] = []
    wait_for(lambda: seen.append(len(history(embedded))) or seen[-1] > behind, 200)
    assert 1 not in seen  # as it would be after beginning anew
    again.send_signal(signal.SIGTERM)
    again.communicate(timeout=60)
    wait_for(lambda: not processes_in(embedded.root), 60)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_a_rank_cannot_do_is_one_line(embedded: Workspace) -> None:
    change(embedded, "train.epochs=2", "train.devices=2", "train.optimiser.learning_rate=1e+30")
    result = embedded.flows("train")
    change(embedded, "train.optimiser.learning_rate=0.0001")
    assert result.returncode == 1
    assert "is not a number in epoch" in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr + result.stdout
    assert not processes_in(embedded.root)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_machines_train_one_model(embedded: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.process import free_port

    change(embedded, "train.epochs=2", "train.devices=1", "train.nodes=2", "train.seed=3")
    monkeypatch.setenv(MEETING, f"127.0.0.1:{free_port(0)}")
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    other = start(embedded, sys.executable, "-m", "flows", "join", "1")
    result = embedded.flows("train")
    output, _ = other.communicate(timeout=100)
    change(embedded, "train.nodes=1")
    assert (result.returncode, other.returncode) == (0, 0), result.stderr + output
    assert "Train on 2 devices" in result.stdout and not processes_in(embedded.root)


def test_a_batch_that_cannot_be_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MEETING, raising=False)

    def count(**changes: object) -> int:
        return devices_in_all(parse_params({"train": {"device": "cpu", **changes}}, "test").train)

    assert (count(devices=4, batch_size=8), count(devices="all")) == (4, 1)
    with pytest.raises(ValueError, match=r"batch_size = 8 is the batch of all 3.*a multiple of 3"):
        count(devices=3, batch_size=8)
    with pytest.raises(ValueError, match=f"set {MEETING} on every machine"):
        count(nodes=2)
