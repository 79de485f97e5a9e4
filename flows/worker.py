"""The worker that runs the deployments when their pages, or a schedule, tell it to."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import psutil

from dwc.registry import tracking
from flows.process import GRACE_SECONDS, Child, child, ended_by_signal, without_flow_run

POOL = "local"
COMMAND = (sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL, "--type", "process")


def work(root: Path) -> int:
    """Run a worker for the server that PREFECT_API_URL names until it is stopped; returns its exit status."""
    introduce(root)
    with ended_by_signal(), worker(root) as process:
        return process.wait()


@contextmanager
def worker(root: Path, output: IO[str] | None = None) -> Iterator[Child]:
    """The worker's process; at the end of the block its runs end first, with all that they started.

    A worker that stops kills its runs outright, and what those have started would go on without them.
    """
    with child(COMMAND, folder=root, environment=without_flow_run(), stdout=output) as process:
        try:
            yield process
        finally:
            _end_runs(process)


def _end_runs(process: Child) -> None:
    """Ask the worker's runs to end, and wait: each of them ends its own DVC and stage."""
    if process.poll() is not None:
        return
    parent = psutil.Process(process.pid)
    below = parent.children(recursive=True)
    for run in parent.children():
        with suppress(psutil.NoSuchProcess):
            run.terminate()
    psutil.wait_procs(below, timeout=2 * GRACE_SECONDS)


def introduce(root: Path) -> None:
    """Deploy prefect.yaml, and initialise the tracking store before several runs could do so at once."""
    from flows.deployment import deploy  # imports Prefect, which reads PREFECT_API_URL when it is imported

    tracking.configure(None, root)
    deploy(root)
