"""Runs whose process was killed before it could end them: they would show as running for ever."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from mlflow import MlflowClient

PROCESS_TAG = "dwc.process"
_CLOCK_STEP = 2.0  # seconds that setting the clock may move a process's start


def process_name() -> str:
    """This process, told apart from every other that ever had its number on this machine."""
    return f"{socket.gethostname()}:{os.getpid()}:{psutil.Process().create_time():.0f}"


def end_abandoned_runs(client: MlflowClient, experiment: str) -> list[str]:
    """Mark running runs of processes that no longer exist on this machine as KILLED; return their ids."""
    running = client.search_runs([experiment], filter_string="attributes.status = 'RUNNING'")
    gone = [run.info.run_id for run in running if _is_gone(run.data.tags.get(PROCESS_TAG, ""))]
    for run_id in gone:
        client.set_terminated(run_id, status="KILLED")
    return gone


def _is_gone(name: str) -> bool:
    """Whether a process of this machine has ended; one of another machine cannot be known to have."""
    host, number, created = [*name.rsplit(":", 2), "", ""][:3]
    if host != socket.gethostname():
        return False
    try:
        started: float = psutil.Process(int(number)).create_time()
    except psutil.NoSuchProcess:
        return True
    return abs(started - float(created)) > _CLOCK_STEP
