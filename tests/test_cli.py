"""The `dwc` command as a user types it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app
from tests.conftest import ROOT

runner = CliRunner()


def test_help_names_every_command() -> None:
    result = runner.invoke(app, ["--help"])
    assert result.exit_code == 0
    for command in ("wardrobe", "search", "study"):
        assert command in result.output


def test_wardrobe_draws_a_folder(tmp_path: Path) -> None:
    out = tmp_path / "data"
    result = runner.invoke(
        app, ["wardrobe", "--out", str(out), "--images", "60", "--side", "48", "--workers", "1"]
    )
    assert result.exit_code == 0, result.output
    assert len(list((out / "images").iterdir())) == 60
    assert "60 pictures" in result.output


def test_a_folder_in_use_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "kept.txt").write_text("mine")
    result = runner.invoke(app, ["wardrobe", "--out", str(tmp_path), "--images", "60"])
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    assert (tmp_path / "kept.txt").read_text() == "mine"


def test_search_without_a_model_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("data: {name: nothing}\n")
    (tmp_path / "a.jpg").write_bytes(b"x")
    result = runner.invoke(app, ["search", "--image", "a.jpg", "--text", "in red"])
    assert result.exit_code == 1
    assert "Train and register a model first" in result.stderr


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom flows.cli import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        "print([name for name in ('torch', 'prefect', 'dvc', 'mlflow', 'pandas') if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
