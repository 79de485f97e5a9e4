"""The network guard itself: it refuses, it writes down, and it lets this machine talk to itself."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.guard.sitecustomize import stays_here

CONNECT = "import socket; socket.create_connection(({!r}, 9), timeout=1)"


def run(code: str, log: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NETWORK_GUARD_LOG": str(log)}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "example.invalid"])
def test_a_child_process_cannot_leave_this_machine(host: str, tmp_path: Path) -> None:
    result = run(CONNECT.format(host), tmp_path / "log")
    assert result.returncode != 0
    assert "network guard" in result.stderr
    assert host in (tmp_path / "log").read_text()


def test_an_attempt_whose_error_is_swallowed_is_still_written_down(tmp_path: Path) -> None:
    code = f"try:\n    {CONNECT.format('192.0.2.1')}\nexcept OSError:\n    pass"
    assert run(code, tmp_path / "log").returncode == 0
    assert "192.0.2.1" in (tmp_path / "log").read_text()


@pytest.mark.parametrize("host", ["0.0.0.0", ""])
def test_nothing_binds_beyond_this_machine(host: str, tmp_path: Path) -> None:
    result = run(f"import socket; socket.socket().bind(({host!r}, 0))", tmp_path / "log")
    assert "network guard" in result.stderr


def test_datagrams_are_refused_too(tmp_path: Path) -> None:
    code = "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 9))"
    assert "network guard" in run(code, tmp_path / "log").stderr


def test_this_machine_may_talk_to_itself() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        (b"localhost", True),
        (None, True),
        ("", True),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("localhost.example.com", False),
    ],
)
def test_what_counts_as_this_machine(host: str | bytes | None, here: bool) -> None:
    assert stays_here(host) is here
