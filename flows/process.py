"""Child processes that never outlive the one that started them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import IO

import psutil

GRACE_SECONDS = 15.0
Child = subprocess.Popen[str]


@contextmanager
def child(
    command: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    stdout: int | IO[str] | None = None,
) -> Iterator[Child]:
    """Run a command in a process group of its own; however the block ends, the whole group ends with it."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=dict(environment),
        stdout=stdout,
        stderr=subprocess.STDOUT if stdout is not None else None,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        yield process
    finally:
        end_group(process)


def end_group(process: Child) -> None:
    """Ask a process group to end, wait until all of it has, and kill what has not in time.

    DVC dies of SIGTERM at once, its stage needs a moment to end its runs: the leader's death is not enough.
    """
    _signal_group(process, signal.SIGTERM)
    limit = time.monotonic() + GRACE_SECONDS
    while _group_lives(process) and time.monotonic() < limit:
        time.sleep(0.05)
    _signal_group(process, signal.SIGKILL)
    process.wait()


def _group_lives(process: Child) -> bool:
    """Whether any process of the group still runs. The leader is reaped here, others by who inherits them."""
    process.poll()
    for other in psutil.process_iter(["status"]):
        with suppress(ProcessLookupError, PermissionError):
            if os.getpgid(other.pid) == process.pid and other.info["status"] != psutil.STATUS_ZOMBIE:
                return True
    return False


def _signal_group(process: Child, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # nobody of the group is left
        os.killpg(process.pid, number)


def run_lines(
    command: Sequence[str], *, folder: Path, environment: Mapping[str, str], line: Callable[[str], None]
) -> int:
    """Run a command, hand its output to `line` as it comes, and return the exit status."""
    with child(command, folder=folder, environment=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for text in process.stdout:
            line(text.rstrip())
        return process.wait()


@contextmanager
def ended_by_signal() -> Iterator[None]:
    """Turn SIGTERM into SystemExit inside the block, so that every `finally` of this process runs."""

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    previous = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def free_port(preferred: int) -> int:
    """The preferred port of 127.0.0.1, or a free one where it is taken."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free port on 127.0.0.1")


def without_flow_run(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment without what Prefect's worker tells one flow run's process about itself."""
    return {name: value for name, value in environment.items() if not name.startswith("PREFECT__")}
