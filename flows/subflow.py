"""Running a stage's flow below the task of the parent flow that started its process.

The parent hands its task run's id down in the environment, through DVC. Prefect shows a flow run as a subflow
exactly when its record names a parent task run, so the record is made here before the flow runs.
"""

from __future__ import annotations

import logging
import os
import time
from typing import Any
from uuid import UUID

from prefect import Flow, State
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import ObjectNotFound
from prefect.flow_engine import run_flow
from prefect.logging import get_logger
from prefect.logging.configuration import setup_logging
from prefect.states import Pending

PARENT = "DWC_PARENT_TASK_RUN"
WAIT_SECONDS = 15.0


def run_below_parent(flow: Flow[[], Any]) -> State[Any]:
    """Run a flow, below the task run that the environment names, if any; returns its final state."""
    parent = os.environ.pop(PARENT, None)
    flow_run = _create_below(flow, UUID(parent)) if parent else None
    state = run_flow(flow, flow_run=flow_run, return_type="state")
    assert isinstance(state, State)
    return state


def _create_below(flow: Flow[[], Any], parent: UUID) -> FlowRun | None:
    with get_client(sync_client=True) as client:
        if not _appears(client, parent):
            get_logger("flows").warning(
                "Task run %s is unknown to this server; the flow runs on its own.", parent
            )
            return None
        return client.create_flow_run(flow, parent_task_run_id=parent, state=Pending())


def _appears(client: SyncPrefectClient, task_run: UUID) -> bool:
    """Whether the server knows the task run; it learns of them through events, moments after they start."""
    limit = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < limit:
        try:
            client.read_task_run(task_run)
            return True
        except ObjectNotFound:
            time.sleep(0.1)
    return False


def speak_for_the_run() -> None:
    """Keep the log lines of runs off this process's terminal, where the stage speaks for itself.

    The server gets them all. Without this, a message to the user would come four times.
    """
    setup_logging()
    for handler in logging.getLogger().handlers:
        handler.addFilter(
            lambda record: not record.name.startswith(("prefect.flow_runs", "prefect.task_runs"))
        )
