"""A model version checked out into a worktree and made again there, by the real DVC."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.flows.conftest import STAGES, Workspace

pytestmark = pytest.mark.slow


def test_made_again_a_version_has_the_same_metrics(workspace: Workspace, tmp_path: Path) -> None:
    metrics = (workspace.root / "metrics/evaluate.json").read_text()
    queries = (workspace.root / "metrics/queries.csv").read_text()
    version = json.loads((workspace.root / "build/runs/train.json").read_text())["model_version"]
    program = (sys.executable, "-c", "from dwc.cli import app; app()")  # of the workspace's own code
    command = (*program, "checkout", f"models:/dwc-tiny/{version}")
    done = workspace.run(*command, "--into", str(tmp_path / "there"))
    assert done.returncode == 0, done.stderr

    there = Workspace(tmp_path / "there")
    assert not (there.root / "build").exists()
    output = there.dvc("repro", "--no-run-cache")
    assert there.ran(output) == list(STAGES)
    assert (there.root / "metrics/queries.csv").read_text() == queries
    again = json.loads((there.root / "metrics/evaluate.json").read_text())
    assert again["fused"].keys() & {"recall_at_10", "mrr"} == {"recall_at_10", "mrr"}
    known = json.loads(metrics)
    assert {name: again["fused"][name] for name in ("recall_at_10", "mrr")} == {
        name: known["fused"][name] for name in ("recall_at_10", "mrr")
    }
    workspace.run("git", "worktree", "remove", "--force", str(there.root))
