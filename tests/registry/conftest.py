from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dwc.registry import tracking


@pytest.fixture(scope="session")
def new_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store, made once: MLflow takes seconds to build its tables."""
    root = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("MLFLOW_TRACKING_URI", raising=False)
        tracking.configure(None, root)
    return root / ".mlflow" / "mlflow.db"


@pytest.fixture
def address(new_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store of the test's own."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / ".mlflow").mkdir()
    shutil.copyfile(new_database, tmp_path / ".mlflow" / "mlflow.db")
    return tracking.configure(None, tmp_path)
