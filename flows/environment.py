"""The process environment of every flow: no telemetry, all homes inside the project, a good neighbour.

Prefect, MLflow and Great Expectations read these variables when they are imported, so `prepare` runs before
any of them is. Only variables that are not set yet are set: the user's own choice wins.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

QUIET = {
    "DO_NOT_TRACK": "true",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # seven waiting processes for what is not used here
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
}
SPIN = {"GOMP_SPINCOUNT": "20000"}  # docs/decisions/072-spinning-threads.md
SERVER_NOTE = "server.json"


def prepare(root: Path) -> None:
    """Set the variables of this process for the project in `root`, and find its running Prefect server."""
    settings = {
        **QUIET,
        **SPIN,
        "PREFECT_HOME": str(root / ".prefect"),
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    }
    for name, value in settings.items():
        os.environ.setdefault(name, value)
    _put_own_programs_first()
    if "PREFECT_API_URL" not in os.environ and (address := running_server()):
        os.environ["PREFECT_API_URL"] = address


def _put_own_programs_first() -> None:
    """Let children find this environment's `dvc` and `python`, whether it is activated or not."""
    programs = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", os.defpath)
    if path.split(os.pathsep)[0] != programs:
        os.environ["PATH"] = f"{programs}{os.pathsep}{path}"


def prefect_home() -> Path:
    """Folder of Prefect's database, logs and the note about the running server."""
    return Path(os.environ["PREFECT_HOME"])


def running_server() -> str | None:
    """API address of the server that `make ui` or another command runs for this project, if it answers."""
    note = prefect_home() / SERVER_NOTE
    if not note.is_file():
        return None
    address = str(json.loads(note.read_text(encoding="utf-8"))["api"])
    return address if answers(f"{address}/health") else None


def answers(address: str) -> bool:
    """Whether an HTTP address on this machine answers with success."""
    try:
        with urllib.request.urlopen(address, timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False
