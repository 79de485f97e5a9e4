"""The parent flow: every stage of dvc.yaml's graph, in its order, each as a flow below this one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from prefect import State, flow, get_client, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentTaskRunId
from prefect.logging import get_run_logger
from prefect.runtime import task_run
from prefect.states import Completed, Failed
from pydantic import Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from dwc.parameters import change_parameters, preset_names
from flows.command import DVC, complaint, run_command
from flows.data import put_back_on_failure, switch_data
from flows.graph import stage_order
from flows.result_page import show_result
from flows.subflow import PARENT

PLAIN_LINES = {
    # The parent's log adds time and name to every line of a stage.
    "PREFECT_LOGGING_FORMATTERS_STANDARD_FLOW_RUN_FMT": "%(message)s",
    "PREFECT_LOGGING_FORMATTERS_STANDARD_TASK_RUN_FMT": "%(message)s",
    "PYTHONUNBUFFERED": "1",
}


AS_IT_IS = "params.yaml"


class OfferedPresets:
    """Lets the form of a custom run offer the presets that there are when it is deployed."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**handler(schema), "enum": [AS_IT_IS, *preset_names(Path.cwd())]}


PresetName = Annotated[str, OfferedPresets]
StageName = Literal["all", "validate", "preprocess", "embed", "train", "evaluate"]
Seed = Annotated[int, Field(ge=0)]
Hours = Annotated[float, Field(ge=0)]


@flow(name="pipeline")
def pipeline(
    preset: PresetName = AS_IT_IS,
    overrides: Sequence[str] = (),
    data_revision: str = "",
    seed: Seed | None = None,
    stage: StageName = "all",
    promote: bool = False,
    timeout_hours: Hours = 0,
) -> State[Any] | None:
    """Bring the pipeline up to date, exactly as `dvc repro` would.

    Args:
        preset: Start from params.yaml as it is, or from a file of presets/, which then replaces it; a copy
            is kept.
        overrides: Single parameters, one in each field, such as train.epochs=3. They are written into
            params.yaml, which shows all names, and stay there.
        data_revision: Commit, tag or branch whose data.dvc names the data to use, or the md5 in it. DVC
            fetches them where they are not at hand. Empty: the data as they lie in the workspace.
        seed: Seed of the training, short for train.seed=… among the overrides. None: as there.
        stage: Bring all stages up to date, or only one and what it needs.
        promote: Then make the new model champion if it passes the gate; the run fails where it does not.
        timeout_hours: End the run where it has not finished by itself after this time. 0: never.
    """
    root = Path.cwd()
    asked = [*overrides, *([] if seed is None else [f"train.seed={seed}"])]
    limit = time.monotonic() + 3600 * timeout_hours if timeout_hours else None
    try:
        _arrange(root, None if preset == AS_IT_IS else preset, asked, data_revision)
        order = stage_order(root, None if stage == "all" else stage)
    except ValueError as error:
        return Failed(message=str(error))
    for name in order:
        left = None if limit is None else max(1.0, limit - time.monotonic())
        state = reproduce.with_options(timeout_seconds=left)(name, return_state=True)
        if not state.is_completed():
            return Failed(name=state.name, message=f"{name}: {state.message}")
    show_result(order)
    return _promote() if promote else None


def _arrange(root: Path, preset: str | None, overrides: Sequence[str], data_revision: str) -> None:
    """Bring parameters and data as asked into the workspace: both, or where one is not possible, neither."""
    with put_back_on_failure(root / "params.yaml"):
        if change_parameters(root / "params.yaml", preset, overrides):
            get_run_logger().info("params.yaml changed")
        if data_revision:
            switch_data(root, data_revision)


def _promote() -> State[Any] | None:
    from flows.promote import promote as gate  # imports torch, which the other stages' own processes do

    state = gate(return_state=True)
    return None if state.is_completed() else Failed(message=f"promote: {state.message}")


@task(name="reproduce", task_run_name="{stage}", cache_policy=NO_CACHE, persist_result=False)
def reproduce(stage: str) -> State[Any] | None:
    """Let DVC bring one stage up to date; the stage's flow appears below this task."""
    environment = {**PLAIN_LINES, PARENT: str(task_run.id)}
    status, lines = run_command([*DVC, "repro", "--single-item", stage], environment)
    if status:
        return Failed(message=_reason() or complaint(lines))
    if any("skipping" in text for text in lines):
        return Completed(name="Cached", message="Nothing that it depends on has changed.")
    return None


def _reason() -> str | None:
    """Message of the failed flow below this task, if it came to have one."""
    below = FlowRunFilter(parent_task_run_id=FlowRunFilterParentTaskRunId(any_=[task_run.id]))
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(flow_run_filter=below)
    return next((run.state.message for run in runs if run.state and run.state.is_failed()), None)
