"""What breaks from outside: killed processes, full disks, servers that go away, two runs at once."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from mlflow import MlflowClient

from dwc.parameters import change_parameters
from flows.process import child, free_port
from tests.flows.conftest import STAGES, Result, Workspace, make_workspace

KILLS_OF_A_STAGE = 6


def start(workspace: Workspace, *command: str) -> subprocess.Popen[str]:
    """Start a command as the leader of a family of processes."""
    return subprocess.Popen(
        command,
        cwd=workspace.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def kill(process: subprocess.Popen[str]) -> None:
    """kill -9 to the whole family."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def results(root: Path) -> dict[str, str]:
    """What an evaluation says, and the weights it is of."""
    found = {name: (root / "metrics" / name).read_text() for name in ("evaluate.json", "queries.csv")}
    weights = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (root / "build/model").glob("*.safetensors")
    }
    assert len(weights) == 2
    return {**found, **weights}


@pytest.fixture
def fresh(tmp_path: Path, prefect_api: str) -> Workspace:
    """A project of its own, nothing run yet."""
    return make_workspace(tmp_path / "project")


def begun(process: subprocess.Popen[str], stage: str) -> bool:
    """Wait until DVC has started the stage's program; False where it ended before it was seen."""
    while process.poll() is None:
        with suppress(psutil.Error):
            family = psutil.Process(process.pid).children(recursive=True)
            if any(member.cmdline()[-3:] == ["-m", "flows", stage] for member in family):
                return True
        time.sleep(0.05)
    return False


def kill_within(workspace: Workspace, stage: str, moments: random.Random) -> int:
    """Run a stage until it was killed KILLS_OF_A_STAGE times in its midst; returns how often it was run.

    The moment is drawn from the stage's whole course: whatever ends before its kill tells how long that is.
    """
    kills, runs, longest = 0, 0, 60.0
    while kills < KILLS_OF_A_STAGE:
        runs += 1
        assert runs <= 5 * KILLS_OF_A_STAGE, f"{stage}: only {kills} of {runs} runs were killed"
        force = ["--force"] if runs > 1 else []
        process = start(workspace, "dvc", "repro", *force, "--single-item", stage)
        assert begun(process, stage), process.communicate()[0]
        started = time.monotonic()
        try:
            output, _ = process.communicate(timeout=moments.uniform(0.0, longest))
        except subprocess.TimeoutExpired:
            kill(process)
            kills += 1
        else:
            assert process.returncode == 0, output
            longest = time.monotonic() - started
    return runs


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_killed_at_any_moment_of_any_stage_the_result_is_the_same(
    fresh: Workspace, empty_workspace: Workspace, first_repro: Result
) -> None:
    moments = random.Random(20261121)
    for stage in STAGES:
        count = kill_within(fresh, stage, moments)
        print(f"{stage}: {KILLS_OF_A_STAGE} kills in {count} runs")
        fresh.dvc("repro", stage)
    assert "up to date" in fresh.dvc("status")
    assert results(fresh.root) == results(empty_workspace.root)
    client = MlflowClient(f"sqlite:///{fresh.root / '.mlflow/mlflow.db'}")
    runs = [run for e in client.search_experiments() for run in client.search_runs([e.experiment_id])]
    assert {run.info.status for run in runs} == {"FINISHED", "KILLED"}


@pytest.mark.timeout(400)
def test_a_full_disk_is_told_in_one_line_and_the_old_store_stays(workspace: Workspace) -> None:
    before = (workspace.root / "build/store/pixels.npy").read_bytes()
    params = (workspace.root / "params.yaml").read_bytes()
    lock = (workspace.root / "dvc.lock").read_bytes()
    change_parameters(workspace.root / "params.yaml", None, ["preprocess.resolution=256"])
    limit = 2_000_000  # bytes of one file; the new store's pixels need more

    process = start(
        workspace,
        sys.executable,
        "-c",
        "import resource, runpy, sys; import dwc.store.build, flows.preprocess;"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {resource.RLIM_INFINITY}));"
        "sys.argv = ['flows', 'preprocess']; runpy.run_module('flows', run_name='__main__')",
    )
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 1, output
    assert re.search(r"The disk is full: .*Make room and run it again", output), output
    assert "Traceback" not in output
    assert (workspace.root / "build/store/pixels.npy").read_bytes() == before
    assert (workspace.root / "dvc.lock").read_bytes() == lock
    (workspace.root / "params.yaml").write_bytes(params)
    shutil.rmtree(workspace.root / "build/.store.partial")  # what another run would have gone on with


@pytest.mark.timeout(400)
def test_of_two_runs_at_once_one_is_refused_and_nothing_is_harmed(workspace: Workspace) -> None:
    change_parameters(workspace.root / "params.yaml", None, ["evaluate.bootstrap.seed=7"])
    both = [start(workspace, "dvc", "repro") for _ in range(2)]
    outputs = [process.communicate(timeout=300)[0] for process in both]
    assert any(process.returncode == 0 for process in both), outputs
    for process, output in zip(both, outputs, strict=True):
        if process.returncode:
            assert "lock" in output or "is busy" in output, output
    assert "up to date" in workspace.dvc("status")
    change_parameters(workspace.root / "params.yaml", None, ["evaluate.bootstrap.seed=0"])
    workspace.dvc("repro")


class MlflowServer:
    """MLflow over HTTP on a SQLite store, which can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port(0)
        self.address = f"http://127.0.0.1:{self.port}"
        self._store = f"sqlite:///{folder / 'mlflow.db'}"
        self._artifacts = folder / "artifacts"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        places = ["--backend-store-uri", self._store, "--artifacts-destination", str(self._artifacts)]
        self._process = subprocess.Popen(
            [*command, *places, "--workers", "1"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_for(lambda: answers(f"{self.address}/health"), 120)

    def stop(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


def answers(address: str) -> bool:
    from flows.environment import answers as asked

    return asked(address)


def wait_for(condition: Callable[[], bool], seconds: float) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "it did not happen in time"
        time.sleep(0.1)


@pytest.fixture
def mlflow_server(tmp_path: Path) -> Iterator[MlflowServer]:
    server = MlflowServer(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_training_goes_on_without_mlflow_and_its_run_is_complete(
    fresh: Workspace, mlflow_server: MlflowServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server.address)
    epochs = 12
    change_parameters(fresh.root / "params.yaml", None, [f"train.epochs={epochs}", "train.challenger=false"])
    fresh.dvc("repro", "embed")
    checkpoint = fresh.root / "build/checkpoints/last/state.json"
    process = start(fresh, "dvc", "repro", "train")
    wait_for(lambda: checkpoint.is_file() and len(json.loads(checkpoint.read_text())["history"]) >= 2, 300)
    mlflow_server.stop()
    wait_for(lambda: not checkpoint.is_file() or len(json.loads(checkpoint.read_text())["history"]) >= 5, 300)
    mlflow_server.start()
    output, _ = process.communicate(timeout=400)
    assert process.returncode == 0, output
    record = json.loads((fresh.root / "build/runs/train.json").read_text())
    client = MlflowClient(mlflow_server.address)
    assert client.get_run(record["run_id"]).info.status == "FINISHED"
    steps = [metric.step for metric in client.get_metric_history(record["run_id"], "cnn_contrastive")]
    assert len(set(steps)) == epochs


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_prefect_server_that_is_restarted_costs_no_result(
    fresh: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    port = free_port(0)
    monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{port}/api")
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    (tmp_path / "prefect").mkdir()
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    change_parameters(fresh.root / "params.yaml", None, ["train.epochs=12"])
    health = f"http://127.0.0.1:{port}/api/health"
    with child(command, folder=tmp_path, environment=dict(os.environ), stdout=subprocess.DEVNULL):
        wait_for(lambda: answers(health), 120)
        fresh.dvc("repro", "embed")
        process = start(fresh, "dvc", "repro")
        wait_for((fresh.root / "build/checkpoints/last/state.json").is_file, 300)
    time.sleep(3)
    with child(command, folder=tmp_path, environment=dict(os.environ), stdout=subprocess.DEVNULL):
        output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    assert "up to date" in fresh.dvc("status")
