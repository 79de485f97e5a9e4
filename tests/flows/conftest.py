"""One small project, reproduced once for all tests of the flows."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from tests.catalogue import write_catalogue
from tests.conftest import ROOT

PARTS = (
    *("dwc", "flows", "presets", "pyproject.toml", "dvc.yaml", "prefect.yaml"),
    *(".dvc/config", ".dvcignore", ".gitignore"),
)
STAGES = ("validate", "preprocess", "embed", "train", "evaluate")
TINY_CLIP = """{
  "embed_dim": 16,
  "vision_cfg": {"image_size": 32, "timm_model_name": "resnet18", "timm_model_pretrained": false,
                 "timm_pool": "avg", "timm_proj": "linear"},
  "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
}
"""
TINY_PARAMS = """\
# Comments of this file must survive an override.
data: {name: tiny, layout: fashioniq, root: data, categories: [dress, shirt]}
validate: {min_side: 16, max_megapixels: 10, min_caption_words: 2}
preprocess: {resolution: 32, min_word_count: 1, caption_variants: joined}
embed:
  architecture: presets/clip/tiny.json
  weights: null
  batch_size: 16
  adapt: {text_epochs: 1, epochs: 1, batch_size: 8, seed: 1}
train:
  seed: 1
  epochs: 1 # a blink
  batch_size: 8
  dim: 16
  cnn: {backbone: resnet18, weights: clip, word_dim: 8}
  holdout: 0.2
  device: cpu
evaluate:
  recall_at: [1, 5, 10]
  bootstrap: {resamples: 50, confidence: 0.95, seed: 0}
"""

Result = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Workspace:
    """A copy of the project with its own data, and the ways of running it."""

    root: Path

    def run(self, *command: str, timeout: float = 1500) -> Result:
        """Run a command in the workspace."""
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, timeout=timeout)

    def flows(self, *arguments: str) -> Result:
        """Run `python -m flows …`."""
        return self.run(sys.executable, "-m", "flows", *arguments)

    def dvc(self, *arguments: str) -> str:
        """Run a DVC command that must succeed; returns what it says."""
        result = self.run("dvc", *arguments)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def ran(self, output: str) -> list[str]:
        """Stages that DVC ran, by its output."""
        return [stage for stage in STAGES if f"Running stage '{stage}'" in output]


@pytest.fixture(scope="session")
def empty_workspace(tmp_path_factory: pytest.TempPathFactory, prefect_api: str) -> Workspace:
    """The project with a tiny catalogue, nothing run yet; the session's Prefect server is at hand."""
    return make_workspace(tmp_path_factory.mktemp("workspace"))


def make_workspace(root: Path) -> Workspace:
    """Write the project with a tiny catalogue, and commit it."""
    for part in PARTS:
        _copy(ROOT / part, root / part)
    (root / "params.yaml").write_text(TINY_PARAMS, encoding="utf-8")
    (root / "presets/clip/tiny.json").write_text(TINY_CLIP, encoding="utf-8")
    write_catalogue(root / "data", categories=("dress", "shirt"), train_images=12, val_images=6)
    workspace = Workspace(root)
    workspace.run("git", "init", "--quiet")
    workspace.dvc("add", "--quiet", "data")
    workspace.run("git", "add", "--all")
    workspace.run("git", "commit", "--quiet", "--message", "start")
    return workspace


@pytest.fixture(scope="session")
def first_repro(empty_workspace: Workspace) -> Result:
    """The first `dvc repro` of the session."""
    result = empty_workspace.run("dvc", "repro")
    assert result.returncode == 0, result.stdout + result.stderr
    return result


@pytest.fixture
def workspace(empty_workspace: Workspace, first_repro: Result) -> Iterator[Workspace]:
    """The reproduced project; a test that changes it leaves it up to date."""
    yield empty_workspace
    assert "up to date" in empty_workspace.dvc("status")


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copyfile(source, target)


def read_params(workspace: Workspace) -> dict[str, Any]:
    """params.yaml as plain values."""
    values: dict[str, Any] = yaml.safe_load((workspace.root / "params.yaml").read_text())
    return values


def processes_in(root: Path) -> list[list[str]]:
    """Commands of all processes that work in a folder."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.cwd() == str(root) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.cmdline())
    return found
