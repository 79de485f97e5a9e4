"""`make ui` for real: servers, worker, a run started as its page does, cancelling, and the end of it all."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from tests.flows.browsing import browser_page, cancel, custom_run, read_artifact
from tests.flows.conftest import Workspace, processes_in, read_params
from tests.sockets import listening

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(3000)]

START = """
import sys
from prefect.deployments import run_deployment
print(run_deployment("pipeline/pipeline", parameters={"overrides": sys.argv[1:]}, timeout=0).id)
"""
STATE = """
import sys, uuid
from prefect import get_client
with get_client(sync_client=True) as client:
    print(client.read_flow_run(uuid.UUID(sys.argv[1])).state.name)
"""

TASKS = """
import json, sys, uuid
from prefect import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
mine = FlowRunFilter(id=FlowRunFilterId(any_=[uuid.UUID(sys.argv[1])]))
with get_client(sync_client=True) as client:
    print(json.dumps({task.name: task.state_name for task in client.read_task_runs(flow_run_filter=mine)}))
"""
ARTIFACTS = """
import json
from prefect import get_client
with get_client(sync_client=True) as client:
    print(json.dumps([artifact.key for artifact in client.read_artifacts()]))
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

    def artifacts(self) -> list[str]:
        """Keys of all artifacts that there are."""
        keys: list[str] = json.loads(self.ask(ARTIFACTS))
        return keys

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
    with started(workspace, environment, tmp_path / "output") as running:
        yield running


@contextmanager
def started(workspace: Workspace, environment: dict[str, str], output: Path) -> Iterator[Ui]:
    """`make ui`'s command, until the end of the block at the latest."""
    with output.open("wb") as file:
        command = [sys.executable, "-m", "flows", "ui"]
        process = subprocess.Popen(
            command, cwd=workspace.root, env=environment, stdout=file, stderr=subprocess.STDOUT
        )
    running = Ui(process, output, environment)
    try:
        assert until(lambda: "Ctrl-C" in running.output.read_text(), 240), running.output.read_text()
        yield running
    finally:
        process.terminate()
        process.wait(120)


def test_runs_wait_for_each_other_can_be_cancelled_and_show_what_they_found(
    ui: Ui, workspace: Workspace
) -> None:
    """All by the pages: a long run; another that has to wait; the first cancelled, the second completed."""
    prefect, reached = ui.addresses["Prefect"], list[str]()
    with browser_page(reached) as page:
        long = custom_run(page, prefect, overrides=["train.epochs=5000", "train.batch_size=4"], seed=5)
        assert until((workspace.root / "build/checkpoints/last/state.json").exists, 600)
        waiting = custom_run(page, prefect, overrides=["train.epochs=2", "train.batch_size=4"], seed=3)
        assert until(lambda: set(ui.artifacts()) >= {"train-training-steps", "train-mlflow"}, 120)
        assert ui.ask(STATE, long) == "Running"
        assert ui.ask(STATE, waiting) in ("Scheduled", "Late", "AwaitingConcurrencySlot")

        cancel(page, prefect, long)
        assert until(lambda: ui.ask(STATE, long) == "Cancelled", 180), ui.ask(STATE, long)
        assert until(lambda: _tracked_trainings(workspace.root)[0].info.status == "KILLED", 30)

        assert until(lambda: ui.ask(STATE, waiting) == "Completed", 900), ui.ask(STATE, waiting)
        text = read_artifact(page, prefect, waiting, "result")
        assert "DWC, both streams" in text and "R@10" in text
        page.goto(f"{prefect}/v2/runs/flow-run/{waiting}?tab=Artifacts")
        page.get_by_role("link", name="Training in MLflow", exact=True).wait_for()
        trained = _tracked_trainings(workspace.root)[0]
        link = page.get_by_role("link", name="Training in MLflow", exact=True).get_attribute("href")
        assert link is not None and link.startswith(ui.addresses["MLflow"]) and trained.info.run_id in link
    assert reached == []
    assert {key: trained.data.params[key] for key in ("train.epochs", "train.seed", "train.batch_size")} == {
        "train.epochs": "2",
        "train.seed": "3",
        "train.batch_size": "4",
    }
    assert read_params(workspace)["train"]["seed"] == 3
    tasks = json.loads(ui.ask(TASKS, waiting))
    assert {name for name, state in tasks.items() if state != "Cached"} == {"train", "evaluate"}
    assert "up to date" in workspace.dvc("status")


def test_ctrl_c_ends_a_run_too_and_the_next_start_is_free_of_it(ui: Ui, workspace: Workspace) -> None:
    before = (workspace.root / "params.yaml").read_text()
    run = ui.ask(START, "train.epochs=5000")
    assert until((workspace.root / "build/checkpoints/last/state.json").exists, 600)
    family = ui.family()
    ui.process.send_signal(signal.SIGINT)
    assert ui.process.wait(120) == 0
    assert not psutil.wait_procs(family, timeout=30)[1]
    assert not processes_in(workspace.root)
    (workspace.root / "params.yaml").write_text(before)

    with started(workspace, ui.environment, ui.output.with_name("again")) as again:
        assert again.ask(STATE, run) not in ("Running", "Pending", "Cancelling")
        unchanged = again.ask(START)
        assert until(lambda: again.ask(STATE, unchanged) == "Completed", 600), again.ask(STATE, unchanged)
        assert set(json.loads(again.ask(TASKS, unchanged)).values()) == {"Cached"}


def test_it_listens_on_this_machine_only_and_when_one_part_ends_all_do(ui: Ui) -> None:
    family = ui.family()
    assert listening(process.pid for process in family) == {"127.0.0.1"}
    server = next(process for process in family if "mlflow" in process.cmdline())
    server.kill()
    assert ui.process.wait(120) == 1
    assert "MLflow ended by itself" in ui.output.read_text()
    assert not psutil.wait_procs(family, timeout=30)[1]


def _tracked_trainings(root: Path) -> list[Run]:
    """MLflow's runs of the train stage, newest first."""
    client = MlflowClient(f"sqlite:///{root / '.mlflow' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("tiny")
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id], filter_string="tags.`dwc.stage` = 'train'"))
