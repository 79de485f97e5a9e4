"""The project's Prefect server: one for a whole run, on 127.0.0.1 only."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dwc.files import write_text
from flows.environment import SERVER_NOTE, answers, prefect_home, running_server
from flows.process import Child, child, ended_by_signal, free_port, without_flow_run

PORT = 4200
START_SECONDS = 120.0
CODE = Path(__file__).parent.parent
SERVER = (
    *(sys.executable, "-m", "uvicorn", "--app-dir", str(CODE), "--log-level", "warning"),
    *("--factory", "flows.prefect_app:create_app"),
)


@contextmanager
def prefect_server(root: Path, port: int = PORT) -> Iterator[str]:
    """Yield the API address of a server for the project: the one already running, or a new one for the block.

    Inside the block PREFECT_API_URL names it, for this process and its children.
    """
    address = os.environ.get("PREFECT_API_URL") or running_server()
    if address:
        yield address
        return
    with new_server(root, free_port(port)) as (address, _):
        os.environ["PREFECT_API_URL"] = address
        try:
            yield address
        finally:
            del os.environ["PREFECT_API_URL"]


@contextmanager
def new_server(root: Path, port: int) -> Iterator[tuple[str, Child]]:
    """Start a server and leave a note of it, so that other commands of the project use it too."""
    address = f"http://127.0.0.1:{port}/api"
    home = prefect_home()
    home.mkdir(parents=True, exist_ok=True)
    command = [*SERVER, "--host", "127.0.0.1", "--port", str(port)]
    log = home / "server.log"
    environment = {**without_flow_run(), "PREFECT_UI_API_URL": address}  # its pages else ask port 4200
    with (
        log.open("w", encoding="utf-8") as output,
        child(command, folder=root, environment=environment, stdout=output) as process,
    ):
        wait_until_ready(f"{address}/health", process, log)
        note = home / SERVER_NOTE
        write_text(note, json.dumps({"api": address, "pid": process.pid}))
        try:
            yield address, process
        finally:
            note.unlink(missing_ok=True)


def wait_until_ready(address: str, process: Child, log: Path) -> None:
    """Return when the address answers; a ValueError names the log of a process that does not come up."""
    limit = time.monotonic() + START_SECONDS
    while not answers(address):
        if process.poll() is not None or time.monotonic() > limit:
            raise ValueError(f"{address} did not come up (exit status {process.poll()}); see {log}.")
        time.sleep(0.2)


def run_with_server(root: Path, command: Sequence[str]) -> int:
    """Run a command with one server for all flows below it; returns the command's exit status.

    Raises ValueError where there is no such command.
    """
    if shutil.which(command[0]) is None:
        raise ValueError(f"with-server: there is no command `{command[0]}`.")
    with (
        ended_by_signal(),
        prefect_server(root),
        child(command, folder=root, environment=without_flow_run()) as process,
    ):
        return process.wait()


def run_flow(root: Path, name: str, **parameters: Any) -> Any:
    """Run the flow of a name with one server for it and all below it; returns its final state."""
    with ended_by_signal(), prefect_server(root):
        # These import Prefect, which reads PREFECT_API_URL when it is imported.
        from prefect.logging.handlers import APILogWorker

        flow = getattr(importlib.import_module(f"flows.{name}"), name)
        state = flow(**parameters, return_state=True)
        APILogWorker.drain_all(timeout=5)  # before the server is gone
        return state
