"""The parent flow: every stage of dvc.yaml's graph, in its order, each as a flow below this one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Literal

from prefect import State, flow, get_client, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentTaskRunId
from prefect.logging import get_run_logger
from prefect.runtime import task_run
from prefect.states import Completed, Failed

from dwc.parameters import change_parameters
from flows.graph import stage_order
from flows.process import run_lines, without_flow_run
from flows.subflow import PARENT

StageName = Literal["validate", "preprocess", "embed", "train", "evaluate"]
PLAIN_LINES = {
    # The parent's log adds time and name to every line of a stage.
    "PREFECT_LOGGING_FORMATTERS_STANDARD_FLOW_RUN_FMT": "%(message)s",
    "PREFECT_LOGGING_FORMATTERS_STANDARD_TASK_RUN_FMT": "%(message)s",
    "PYTHONUNBUFFERED": "1",
}


@flow(name="pipeline")
def pipeline(
    preset: str | None = None,
    overrides: list[str] | None = None,
    stage: StageName | None = None,
    promote: bool = False,
) -> State[Any] | None:
    """Bring the pipeline up to date, exactly as `dvc repro` would.

    Args:
        preset: Parameter file of presets/, by name; it replaces params.yaml.
        overrides: Changes such as train.epochs=3; they are written into params.yaml.
        stage: Bring only this stage, and what it needs, up to date.
        promote: Then make the challenger champion if it passes the gate; the run fails where it does not.
    """
    root = Path.cwd()
    logger = get_run_logger()
    try:
        if change_parameters(root / "params.yaml", preset, overrides or []):
            logger.info("params.yaml changed")
        order = stage_order(root, stage)
    except ValueError as error:
        return Failed(message=str(error))
    for name in order:
        state = reproduce(name, return_state=True)
        if not state.is_completed():
            return Failed(message=f"{name}: {state.message}")
    return _promote() if promote else None


def _promote() -> State[Any] | None:
    from flows.promote import promote as gate  # imports torch, which the other stages' own processes do

    state = gate(return_state=True)
    return None if state.is_completed() else Failed(message=f"promote: {state.message}")


@task(name="reproduce", task_run_name="{stage}", cache_policy=NO_CACHE, persist_result=False)
def reproduce(stage: str) -> State[Any] | None:
    """Let DVC bring one stage up to date; the stage's flow appears below this task."""
    logger = get_run_logger()
    lines: list[str] = []

    def line(text: str) -> None:
        if text.strip():
            lines.append(text)
            logger.info(text)

    environment = {**without_flow_run(), **PLAIN_LINES, PARENT: str(task_run.id)}
    command = [sys.executable, "-m", "dvc", "repro", "--single-item", stage]
    if run_lines(command, folder=Path.cwd(), environment=environment, line=line):
        return Failed(message=_reason() or "\n".join(lines[-20:]))
    if any("skipping" in text for text in lines):
        return Completed(name="Cached", message="Nothing that it depends on has changed.")
    return None


def _reason() -> str | None:
    """Message of the failed flow below this task, if it came to have one."""
    below = FlowRunFilter(parent_task_run_id=FlowRunFilterParentTaskRunId(any_=[task_run.id]))
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(flow_run_filter=below)
    return next((run.state.message for run in runs if run.state and run.state.is_failed()), None)
