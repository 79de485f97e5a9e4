"""`python -m flows serve`: the challenger over HTTP, by MLflow's own model server."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from rich.console import Console

from dwc.config import load_params
from dwc.registry import tracking
from dwc.registry.store import ADDRESS
from dwc.registry.versions import model_name
from flows.challenger import ALIAS
from flows.process import child, ended_by_signal, free_port
from flows.stage import PARAMS

SERVE_PORT = 5001


def serve(root: Path) -> int:
    """Serve until Ctrl-C; returns the server's exit status."""
    address = tracking.configure(None, root)
    model = f"models:/{model_name(load_params(PARAMS).data.name)}@{ALIAS}"
    port = str(free_port(SERVE_PORT))
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "models",
        "serve",
        "--model-uri",
        model,
        "--env-manager",
        "local",
    ]
    Console().print(
        f"{model} answers at http://127.0.0.1:{port}/invocations; Ctrl-C stops it.", highlight=False
    )
    with (
        ended_by_signal(),
        child(
            [*command, "--host", "127.0.0.1", "--port", port],
            folder=root,
            environment={**os.environ, ADDRESS: address},
        ) as process,
    ):
        try:
            return process.wait()
        except KeyboardInterrupt:
            return 0
