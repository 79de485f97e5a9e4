"""Child processes end with whoever started them, whatever they started themselves."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from flows import process
from tests.conftest import ROOT

# A shell that starts another process, as `dvc repro` does; both numbers are written down.
FAMILY = ["sh", "-c", "sleep 300 & echo $! > below; echo $$ > above; wait"]


def until(condition: Callable[[], bool], seconds: float = 20) -> bool:
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


def alive(folder: Path) -> list[str]:
    """Which of the family still run."""
    found = []
    for name in ("above", "below"):
        number = int((folder / name).read_text())
        if psutil.pid_exists(number) and psutil.Process(number).status() != psutil.STATUS_ZOMBIE:
            found.append(name)
    return found


def test_leaving_the_block_ends_the_whole_family(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), process.child(FAMILY, folder=tmp_path, environment=os.environ):
        assert until((tmp_path / "above").exists)
        raise KeyboardInterrupt
    assert until(lambda: not alive(tmp_path))


def test_a_family_that_ignores_the_request_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE_SECONDS", 0.3)
    deaf = ["sh", "-c", f"trap '' TERM; {FAMILY[2]}"]
    with process.child(deaf, folder=tmp_path, environment=os.environ):
        assert until((tmp_path / "above").exists)
    assert until(lambda: not alive(tmp_path))


def test_a_member_of_the_family_may_take_its_time_to_end(tmp_path: Path) -> None:
    tidy = "trap 'sleep 0.5; echo tidied > end; exit' TERM; echo > ready; while :; do sleep 0.05; done"
    leader = ["sh", "-c", f'sh -c "{tidy}" & while :; do sleep 0.05; done']
    with process.child(leader, folder=tmp_path, environment=os.environ):
        assert until((tmp_path / "ready").exists)
    assert (tmp_path / "end").read_text() == "tidied\n"


def test_a_signal_to_the_parent_ends_the_family(tmp_path: Path) -> None:
    code = (
        "import os\nfrom pathlib import Path\nfrom flows.process import ended_by_signal, run_lines\n"
        "with ended_by_signal():\n"
        f"    run_lines({FAMILY!r}, folder=Path.cwd(), environment=os.environ, line=print)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([os.environ["PYTHONPATH"], str(ROOT)])}
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=environment)
    assert until((tmp_path / "above").exists)
    parent.send_signal(signal.SIGTERM)
    assert parent.wait(30) == 143
    assert until(lambda: not alive(tmp_path))


def test_lines_come_as_they_are_printed_with_the_exit_status(tmp_path: Path) -> None:
    lines: list[str] = []
    command = ["sh", "-c", "echo one; echo two >&2; exit 3"]
    assert process.run_lines(command, folder=tmp_path, environment=os.environ, line=lines.append) == 3
    assert sorted(lines) == ["one", "two"]


def test_a_taken_port_is_replaced_by_a_free_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        assert process.free_port(taken) not in (0, taken)
    assert process.free_port(taken) == taken


def test_a_child_does_not_take_itself_for_the_flow_run_above() -> None:
    environment = {"PREFECT__FLOW_RUN_ID": "x", "PREFECT_API_URL": "y"}
    assert process.without_flow_run(environment) == {"PREFECT_API_URL": "y"}
