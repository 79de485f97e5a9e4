"""The worker that runs the deployments when their pages, or a schedule, tell it to."""

from __future__ import annotations

import sys
from pathlib import Path

from dwc.registry import tracking
from flows.process import child, ended_by_signal, without_flow_run

POOL = "local"
COMMAND = (sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL, "--type", "process")


def work(root: Path) -> int:
    """Run a worker for the server that PREFECT_API_URL names until it is stopped; returns its exit status."""
    introduce(root)
    with ended_by_signal(), child(COMMAND, folder=root, environment=without_flow_run()) as process:
        return process.wait()


def introduce(root: Path) -> None:
    """Deploy prefect.yaml, and initialise the tracking store before several runs could do so at once."""
    from flows.deployment import deploy  # imports Prefect, which reads PREFECT_API_URL when it is imported

    tracking.configure(None, root)
    deploy(root)
