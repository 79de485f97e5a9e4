"""The `dwc` command as a user types it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from dwc.serving.retriever import Retriever
from flows.cli import app
from tests.conftest import ROOT
from tests.serving.tiny import Tiny, build_tiny

runner = CliRunner()


def test_help_names_every_command() -> None:
    result = runner.invoke(app, ["--help"])
    assert result.exit_code == 0
    for command in ("wardrobe", "css", "preset", "search", "explain", "import-released", "study"):
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


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return build_tiny(tmp_path_factory.mktemp("tiny"))


def explain(package: Path, image: Path, text: str, out: Path, store: Path) -> Result:
    options = ["--image", image, "--text", text, "--model", package, "--out", out, "--store", store]
    return runner.invoke(app, ["explain", "--k", "3", *map(str, options)])


def test_explain_writes_a_page_and_tells_the_words(tiny: Tiny, tmp_path: Path) -> None:
    result = explain(
        tiny.package,
        tiny.images[0],
        "is <i>red</i>",
        tmp_path / "new" / "page.html",
        tiny.package.parent / "store",
    )
    assert result.exit_code == 0, result.output
    assert "CNN stream" in result.stdout and "page.html" in result.stdout
    page = (tmp_path / "new" / "page.html").read_text(encoding="utf-8")
    assert "is &lt;i&gt;red&lt;/i&gt;" in page and "<i>red" not in page
    answer = Retriever.load(tiny.package).search(tiny.images[0].read_bytes(), "is <i>red</i>", k=3)
    for image_id, score in zip(answer.ids, answer.scores, strict=True):
        assert f'alt="{image_id}"' in page and f"{score:.3f}" in page
    assert "12 images searched" in page and "only the name is known" not in page


def test_explain_names_what_is_wrong_in_one_screen(tiny: Tiny, tmp_path: Path) -> None:
    for text, store, message in (
        (" ", tiny.package.parent / "store", "text is empty"),
        ("is red", tiny.package / "clip", "holds no image store"),
    ):
        result = explain(tiny.package, tiny.images[0], text, tmp_path / "page.html", store)
        assert result.exit_code == 1 and message in result.stderr
        assert "Traceback" not in result.stderr
        assert not (tmp_path / "page.html").exists()


def test_explain_does_without_the_gallerys_pictures(tiny: Tiny, tmp_path: Path) -> None:
    result = explain(tiny.package, tiny.images[0], "is red", tmp_path / "page.html", tmp_path / "none")
    assert result.exit_code == 0, result.output
    assert "only the name is known" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_css_draws_scenes(tmp_path: Path) -> None:
    out = tmp_path / "data"
    result = runner.invoke(app, ["css", "--out", str(out), "--modifications", "4", "--side", "32"])
    assert result.exit_code == 0, result.output
    assert f"{len(list((out / 'images').iterdir()))} pictures" in result.output


def test_preset_shows_what_it_changes_and_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets/big.yaml").write_text("# A big one\ntrain: {epochs: 300}\n")
    (tmp_path / "params.yaml").write_text("train: {epochs: 8}\n")
    assert "big" in runner.invoke(app, ["preset"]).output
    assert "train.epochs: 8 → 300" in runner.invoke(app, ["preset", "big", "--show"]).output
    assert (tmp_path / "params.yaml").read_text() == "train: {epochs: 8}\n"
    result = runner.invoke(app, ["preset", "big"])
    assert "train.epochs: 8 → 300" in result.output and "params.yaml.before-big" in result.output
    assert (tmp_path / "params.yaml.before-big").read_text() == "train: {epochs: 8}\n"
    assert "holds the preset `big` already" in runner.invoke(app, ["preset", "big"]).output


def test_an_unknown_preset_is_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("")
    result = runner.invoke(app, ["preset", "small"])
    assert result.exit_code == 1 and "preset `small`" in result.stderr and "Traceback" not in result.stderr


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
