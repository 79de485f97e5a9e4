"""DVC and git as commands in the current folder, their lines in the log of the run that calls them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from prefect import State, task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger
from prefect.states import Failed

from flows.process import run_lines, without_flow_run

DVC = (sys.executable, "-m", "dvc")
WAITS = [5.0, 30.0]
"""Seconds before the second and the third try to read from another machine."""
_SHOWN_LINES = 20


def run_command(
    command: Sequence[str], environment: Mapping[str, str] | None = None
) -> tuple[int, list[str]]:
    """Run a command; returns its exit status and what it said.

    environment: what is added to this process's.
    """
    logger = get_run_logger()
    lines: list[str] = []

    def line(text: str) -> None:
        if text.strip():
            lines.append(text)
            logger.info(text)

    added = {**without_flow_run(), **(environment or {})}
    return run_lines(command, folder=Path.cwd(), environment=added, line=line), lines


def complaint(lines: Sequence[str]) -> str:
    """The end of what a command said, from its first error on."""
    last = lines[-_SHOWN_LINES:]
    first = next((place for place, text in enumerate(last) if text.startswith(("ERROR", "fatal"))), 0)
    return "\n".join(last[first:])


@task(
    task_run_name="{purpose}",
    cache_policy=NO_CACHE,
    persist_result=False,
    retries=len(WAITS),
    retry_delay_seconds=WAITS,
)
def read_remote(
    purpose: str, command: Sequence[str], arrived: Callable[[], bool] | None
) -> State[Any] | None:
    """Run a command that asks another machine; where it fails it is tried again, for networks recover."""
    status, lines = run_command(command)
    if status or (arrived and not arrived()):
        return Failed(name="Unreachable", message=complaint(lines))
    return None


def require_read(purpose: str, command: Sequence[str], *, arrived: Callable[[], bool] | None = None) -> None:
    """Read from another machine. Raises ValueError with what the command said where no try succeeded.

    arrived: whether all is there afterwards, for commands that do not say so by their exit status.
    """
    state = read_remote(purpose, command, arrived, return_state=True)
    if not state.is_completed():
        raise ValueError(f"{purpose}: {state.message}")
