"""The whole session's ground: no network, no telemetry, homes in a temporary folder, few threads."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
GUARD = ROOT / "tests" / "guard"
HOME = Path(tempfile.mkdtemp(prefix="dwc-tests-"))
GUARD_LOG = HOME / "network.log"


def _prepare_environment() -> None:
    """Before any library is imported: most read their settings when they are."""
    for name in [name for name in os.environ if name.startswith(("PREFECT_", "MLFLOW_", "DVC_"))]:
        del os.environ[name]
    os.environ |= {
        "NETWORK_GUARD_LOG": str(GUARD_LOG),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(GUARD), os.environ.get("PYTHONPATH")])),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "OMP_NUM_THREADS": "1",
        "PREFECT_HOME": str(HOME / "prefect"),
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "MPLCONFIGDIR": str(HOME / "matplotlib"),
        "DVC_SITE_CACHE_DIR": str(HOME / "dvc"),
        "XDG_CACHE_HOME": str(HOME / "cache"),
        "GIT_AUTHOR_NAME": "Test",
        "GIT_AUTHOR_EMAIL": "test@example.invalid",
        "GIT_COMMITTER_NAME": "Test",
        "GIT_COMMITTER_EMAIL": "test@example.invalid",
    }
    import tests.guard.sitecustomize  # noqa: F401 -- importing it installs the guard in this process
    from flows import environment
    from flows.process import free_port

    # Prefect reads the address when it is imported, which is before any fixture can start the server.
    os.environ["PREFECT_API_URL"] = f"http://127.0.0.1:{free_port(0)}/api"
    environment.prepare(HOME)


def _let_interrupts_through() -> None:
    """A shell's background job ignores Ctrl-C and hands that on to what tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


_prepare_environment()
_let_interrupts_through()


def pytest_configure(config: pytest.Config) -> None:
    """Compute on one thread: the tests share the machine with the servers that they start."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def no_network() -> Iterator[None]:
    """Fail the session where anything, in any process, tried to leave this machine."""
    yield
    attempts = GUARD_LOG.read_text(encoding="utf-8") if GUARD_LOG.exists() else ""
    assert not attempts, f"something tried to use the network:\n{attempts}"


@pytest.fixture(scope="session")
def prefect_api() -> Iterator[str]:
    """Address of the one Prefect server of the session, which PREFECT_API_URL has named from the start."""
    from flows.server import new_server

    with new_server(HOME, int(os.environ["PREFECT_API_URL"].split(":")[2].split("/")[0])) as (address, _):
        yield address


def pytest_unconfigure() -> None:
    """Leave nothing behind."""
    shutil.rmtree(HOME, ignore_errors=True)
