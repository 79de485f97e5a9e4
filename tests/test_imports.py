"""The import rules of pyproject.toml: layers one way, vendors at one place each."""

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

LINT = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]


def lint(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(
        [*LINT, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )


def test_imports_follow_the_rules() -> None:
    result = lint()
    assert result.returncode == 0, result.stdout + result.stderr


def test_importing_does_nothing_else(tmp_path: Path) -> None:
    """No folder, file or log appears when every module of the project is imported."""
    code = (
        "import importlib, pkgutil, dwc, flows\n"
        "for package in (dwc, flows):\n"
        "    for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "        if not module.name.endswith('__main__'):\n"
        "            importlib.import_module(module.name)\n"
    )
    home = tmp_path / "home"
    home.mkdir()
    environment = {
        **os.environ,
        "HOME": str(home),
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PYTHONPATH": os.pathsep.join([os.environ["PYTHONPATH"], str(ROOT)]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    work = tmp_path / "work"
    work.mkdir()
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=work, env=environment, capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stderr
    assert list(work.iterdir()) == []
