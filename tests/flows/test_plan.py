"""`dwc plan` on the tiny project: what it says, and that it changes nothing."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.flows.conftest import STAGES, Result, Workspace, make_workspace

PLAN = (sys.executable, "-c", "from flows.cli import app; app()", "plan")


def test_it_tells_what_a_run_takes_and_touches_nothing(workspace: Workspace) -> None:
    before = _files(workspace.root)
    done = workspace.run(*PLAN)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if line.split()[:1]}
    assert all("up to date" in lines[stage] for stage in STAGES)
    assert "nothing to do" in done.stdout
    assert _files(workspace.root) == before


def test_what_comes_after_a_change_is_due(workspace: Workspace) -> None:
    params = workspace.root / "params.yaml"
    kept = params.read_text(encoding="utf-8")
    params.write_text(kept.replace("epochs: 1 # a blink", "epochs: 900 # a while"), encoding="utf-8")
    try:
        done = workspace.run(*PLAN)
    finally:
        params.write_text(kept, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    noted = [stage for stage in STAGES if f"{stage} " in done.stdout and _up_to_date(done, stage)]
    assert noted == ["validate", "preprocess", "embed"]
    assert "900 epochs" in done.stdout and "disk:" in done.stdout and "memory:" in done.stdout


def test_missing_pictures_are_said_in_one_line(tmp_path: Path, prefect_api: str) -> None:
    workspace = make_workspace(tmp_path / "project")
    for picture in (workspace.root / "data/images").iterdir():
        picture.unlink()
    done = workspace.run(*PLAN)
    assert done.returncode == 1
    assert "none has both pictures" in done.stderr and "dwc check" in done.stderr
    assert "Traceback" not in done.stderr


def _up_to_date(done: Result, stage: str) -> bool:
    line = next(line for line in done.stdout.splitlines() if line.startswith(f"{stage} "))
    return "up to date" in line


def _files(root: Path) -> dict[str, int]:
    """Every file that is not DVC's, Prefect's or Python's own notes, and when it was written."""
    own = (".dvc", ".prefect", ".git", ".mlflow", "__pycache__")
    return {
        str(path): path.stat().st_mtime_ns
        for path in root.rglob("*")
        if path.is_file() and not any(part in own for part in path.parts)
    }
