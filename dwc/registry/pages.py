"""Addresses of MLflow's pages, for those who read about a run elsewhere."""

from __future__ import annotations

import os

from dwc.registry.store import ADDRESS, current_client

PAGES = "DWC_MLFLOW_PAGES"
"""Environment variable: where people's browsers find MLflow, when it is not where its clients do."""


def run_page(run_id: str, artifact: str | None = None) -> str | None:
    """Page of a run, or of one of its artifacts; None where no MLflow server is known.

    Needs `tracking.configure` first. Raises MlflowException where there is no such run.
    """
    if not (start := _pages()):
        return None
    experiment = current_client().get_run(run_id).info.experiment_id
    page = f"{start}/#/experiments/{experiment}/runs/{run_id}"
    return f"{page}/artifacts/{artifact}" if artifact else page


def version_page(name: str, version: str) -> str | None:
    """Page of a model version; None where no MLflow server is known."""
    start = _pages()
    return f"{start}/#/models/{name}/versions/{version}" if start else None


def _pages() -> str | None:
    for name in (PAGES, ADDRESS):
        address = os.environ.get(name, "")
        if address.startswith(("http://", "https://")):
            return address.rstrip("/")
    return None
