"""`make ui` for real: servers, worker, a run started as its page does, cancelling, and the end of it all."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil
import pytest
from mlflow import MlflowClient

from tests.flows.conftest import Workspace

pytestmark = pytest.mark.slow

START = """
import sys
from prefect.deployments import run_deployment
print(run_deployment("pipeline/pipeline", parameters={"overrides": sys.argv[1:]}, timeout=0).id)
"""
CANCEL = """
import sys, uuid
from prefect import get_client
from prefect.states import Cancelling
with get_client(sync_client=True) as client:
    client.set_flow_run_state(uuid.UUID(sys.argv[1]), Cancelling())
"""
STATE = """
import sys, uuid
from prefect import get_client
with get_client(sync_client=True) as client:
    print(client.read_flow_run(uuid.UUID(sys.argv[1])).state.name)
"""


@dataclass(frozen=True)
class Ui:
    """The running command, and what it printed."""

    process: subprocess.Popen[bytes]
    output: Path
    environment: dict[str, str]

    @property
    def addresses(self) -> dict[str, str]:
        return dict(re.findall(r"^(Prefect|MLflow) +(\S+)", self.output.read_text(), flags=re.MULTILINE))

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def ask(self, code: str, *arguments: str) -> str:
        """Run Python code against the server; in a process of its own, for its own address."""
        environment = {**self.environment, "PREFECT_API_URL": f"{self.addresses['Prefect']}/api"}
        command = [sys.executable, "-c", code, *arguments]
        result = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=120, check=True
        )
        return result.stdout.strip()


def until(condition: Callable[[], Any], seconds: float) -> bool:
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if condition():
            return True
        time.sleep(0.5)
    return False


@pytest.fixture
def ui(workspace: Workspace, tmp_path: Path) -> Iterator[Ui]:
    environment = {**os.environ, "PREFECT_HOME": str(tmp_path / "prefect"), "PYTHONUNBUFFERED": "1"}
    del environment["PREFECT_API_URL"]
    with (tmp_path / "output").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows", "ui"],
            cwd=workspace.root,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    running = Ui(process, tmp_path / "output", environment)
    try:
        assert until(lambda: "Ctrl-C" in running.output.read_text(), 240), running.output.read_text()
        yield running
    finally:
        process.terminate()
        process.wait(60)


def test_a_run_from_the_page_is_cached_another_can_be_cancelled_and_ctrl_c_ends_all(
    ui: Ui, workspace: Workspace
) -> None:
    for address in (f"{ui.addresses['Prefect']}/api/health", ui.addresses["MLflow"]):
        with urlopen(address, timeout=10) as answer:
            assert answer.status == 200

    unchanged = ui.ask(START)
    assert until(lambda: ui.ask(STATE, unchanged) == "Completed", 180), ui.ask(STATE, unchanged)

    before = (workspace.root / "params.yaml").read_text()
    long = ui.ask(START, "train.epochs=5000")
    assert until(lambda: any("train" in process.cmdline() for process in ui.family()), 120)
    assert until((workspace.root / "build/checkpoints/last/state.json").exists, 120)
    ui.ask(CANCEL, long)
    assert until(lambda: ui.ask(STATE, long) == "Cancelled", 90)
    assert not [process for process in psutil.process_iter() if _trains(process, workspace.root)]
    assert _tracked_trainings(workspace.root)[0] == "KILLED"
    (workspace.root / "params.yaml").write_text(before)

    family = ui.family()
    ui.process.send_signal(signal.SIGINT)
    assert ui.process.wait(60) == 0
    assert not psutil.wait_procs(family, timeout=30)[1]


def test_when_one_part_ends_all_do(ui: Ui) -> None:
    family = ui.family()
    server = next(process for process in family if "mlflow" in process.cmdline())
    server.kill()
    assert ui.process.wait(60) == 1
    assert "MLflow ended by itself" in ui.output.read_text()
    assert not psutil.wait_procs(family, timeout=30)[1]


def _tracked_trainings(root: Path) -> list[str]:
    """How MLflow's runs of the train stage ended, newest first."""
    client = MlflowClient(f"sqlite:///{root / '.mlflow' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("tiny")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], filter_string="tags.`dwc.stage` = 'train'")
    return [run.info.status for run in runs]


def _trains(process: psutil.Process, root: Path) -> bool:
    try:
        return process.cwd() == str(root) and process.cmdline()[-2:] == ["flows", "train"]
    except psutil.Error:
        return False
