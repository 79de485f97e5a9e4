"""`make ui`: Prefect with a worker for the pipeline, and MLflow, until Ctrl-C or until one of them ends."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console

from dwc.registry import tracking
from dwc.registry.pages import PAGES
from flows.environment import prefect_home
from flows.process import Child, child, ended_by_signal, free_port, without_flow_run
from flows.server import PORT, new_server, wait_until_ready
from flows.worker import introduce, worker

MLFLOW_PORT = 5000


def run(root: Path, console: Console | None = None) -> int:
    """Run everything until it is interrupted (returns 0) or one of the parts ends by itself (returns 1)."""
    console = console or Console()
    with ended_by_signal(), ExitStack() as stack:
        address, server = stack.enter_context(new_server(root, free_port(PORT)))
        os.environ["PREFECT_API_URL"] = address
        mlflow_address, mlflow = stack.enter_context(_mlflow(root, free_port(MLFLOW_PORT)))
        os.environ[PAGES] = mlflow_address  # runs link to their pages there
        introduce(root)
        log = stack.enter_context((prefect_home() / "worker.log").open("w", encoding="utf-8"))
        runs = stack.enter_context(worker(root, log))
        console.print(f"Prefect  {address.removesuffix('/api')}  run the deployment `pipeline` or `refresh`")
        console.print(f"MLflow   {mlflow_address}")
        console.print("Ctrl-C stops everything.")
        return _watch({"the Prefect server": server, "MLflow": mlflow, "the worker": runs}, console)


def _watch(parts: Mapping[str, Child], console: Console) -> int:
    try:
        while True:
            for name, process in parts.items():
                if (status := process.poll()) is not None:
                    console.print(
                        f"{name} ended by itself with status {status}; see the logs in {prefect_home()}."
                    )
                    return 1
            time.sleep(0.5)
    except KeyboardInterrupt:
        console.print("Stopping.")
        return 0


@contextmanager
def _mlflow(root: Path, port: int) -> Iterator[tuple[str, Child]]:
    address = f"http://127.0.0.1:{port}"
    store = ["--backend-store-uri", tracking.configure(None, root)]
    command = [sys.executable, "-m", "mlflow", "server", *store, "--host", "127.0.0.1", "--port", str(port)]
    log = prefect_home() / "mlflow.log"
    with (
        log.open("w", encoding="utf-8") as output,
        child(
            [*command, "--workers", "1"], folder=root, environment=without_flow_run(), stdout=output
        ) as process,
    ):
        wait_until_ready(f"{address}/health", process, log)
        yield address, process
