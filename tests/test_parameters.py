"""Presets and overrides, as they end up in params.yaml."""

import re
from pathlib import Path

import pytest
import yaml

from dwc.parameters import change_parameters

PARAMS = """\
# about this file
data: {name: tiny}
embed:
  weights: null
train:
  epochs: 8 # passes
evaluate:
  recall_at: [1, 10]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(PARAMS)
    return path


def test_an_override_changes_its_value_and_nothing_else(file: Path) -> None:
    assert change_parameters(file, None, ["train.epochs=3"])
    assert file.read_text() == PARAMS.replace("epochs: 8", "epochs: 3")


def test_values_are_yaml(file: Path) -> None:
    change_parameters(
        file, None, ["evaluate.recall_at=[1, 5]", "train.loss.alpha=0.5", "embed.weights=openai"]
    )
    values = yaml.safe_load(file.read_text())
    assert values["evaluate"]["recall_at"] == [1, 5]
    assert values["train"]["loss"] == {"alpha": 0.5}
    assert values["embed"]["weights"] == "openai"
    assert "recall_at: [1, 5]" in file.read_text()


def test_what_is_so_already_leaves_the_file_untouched(file: Path) -> None:
    written = file.stat().st_mtime_ns
    assert not change_parameters(file, None, ["train.epochs=8", "evaluate.recall_at=[1,10]"])
    assert file.stat().st_mtime_ns == written and file.read_text() == PARAMS


def test_a_preset_replaces_the_file_and_overrides_come_after(file: Path) -> None:
    (file.parent / "presets").mkdir()
    (file.parent / "presets/big.yaml").write_text("# big\ndata: {name: big}\ntrain: {epochs: 200}\n")
    assert change_parameters(file, "big", ["train.epochs=2"])
    assert file.read_text() == "# big\ndata: {name: big}\ntrain: {epochs: 2}\n"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.epochs", "write it as key=value"),
        ("=3", "write it as key=value"),
        ("train.epoch=3", "unknown key `train.epoch`"),
        ("train.epochs=many", "`train.epochs` = 'many'"),
        ("train.epochs.more=3", "`epochs` holds a value, not a section"),
        ("train.epochs=[1", "the value is not valid YAML"),
    ],
)
def test_a_wrong_override_names_itself_and_changes_nothing(file: Path, override: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        change_parameters(file, None, [override])
    assert file.read_text() == PARAMS


def test_an_unknown_preset_names_the_known_ones(file: Path) -> None:
    (file.parent / "presets").mkdir()
    (file.parent / "presets/big.yaml").write_text("")
    with pytest.raises(ValueError, match=r"preset `small`.*Known are: big\."):
        change_parameters(file, "small", [])
