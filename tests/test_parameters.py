"""Presets and overrides, as they end up in params.yaml."""

import re
from pathlib import Path

import pytest
import yaml

from dwc.config import load_params
from dwc.evaluation.published import BENCHMARKS
from dwc.parameters import change_parameters, preset_changes, preset_file, preset_names
from tests.conftest import ROOT

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


@pytest.fixture
def with_presets(file: Path) -> Path:
    (file.parent / "presets").mkdir()
    (file.parent / "presets/big.yaml").write_text("# A big one\ndata: {name: big}\ntrain: {epochs: 200}\n")
    (file.parent / "presets/same.yaml").write_text("# The same.\n" + PARAMS)
    return file


def test_a_preset_keeps_the_file_that_it_replaces(with_presets: Path) -> None:
    kept = with_presets.with_name("params.yaml.before-big")
    assert change_parameters(with_presets, "big", [])
    assert kept.read_text() == PARAMS
    mine = "data: {name: mine}\n"
    with_presets.write_text(mine)
    assert change_parameters(with_presets, "big", [])
    assert kept.read_text() == PARAMS
    assert with_presets.with_name("params.yaml.before-big-2").read_text() == mine


def test_nothing_is_kept_where_nothing_changes(with_presets: Path) -> None:
    assert not change_parameters(with_presets, "same", [])
    assert with_presets.read_text() == PARAMS and not list(with_presets.parent.glob("*.before-*"))


def test_what_a_preset_changes(with_presets: Path) -> None:
    changes = {change.key: (change.before, change.after) for change in preset_changes(with_presets, "big")}
    assert changes["data.name"] == ("tiny", "big") and changes["train.epochs"] == ("8", "200")
    assert changes["evaluate.recall_at"] == ("[1, 10]", "[1, 5, 10, 50]")
    assert "embed.weights" not in changes
    assert preset_changes(with_presets, "same") == []


def test_presets_are_listed_with_what_they_are(with_presets: Path) -> None:
    assert preset_names(with_presets.parent) == {"big": "A big one", "same": "The same"}


@pytest.mark.parametrize("name", sorted(preset_names(ROOT)))
def test_every_preset_is_valid_and_says_what_it_is(name: str) -> None:
    params = load_params(preset_file(ROOT, name))
    assert preset_names(ROOT)[name]
    assert params.evaluate.primary_metric.rpartition("_")[2] in map(str, params.evaluate.recall_at)
    if name in BENCHMARKS:
        assert params.data.name == name and params.evaluate.split == BENCHMARKS[name].split
        assert (params.train.dim, params.train.batch_size, params.train.loss.alpha) == (1024, 32, 0.2)


@pytest.mark.parametrize("file", [ROOT / "params.yaml", *sorted((ROOT / "presets").glob("*.yaml"))])
def test_parameter_files_name_every_key_that_dvc_asks_for(file: Path) -> None:
    """DVC knows no defaults: a declared key that a file leaves out stops the stage."""
    values = yaml.safe_load(file.read_text())
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].values()
    for key in {"data.root", *(key for stage in stages for key in stage["params"])}:
        found = values
        for part in key.split("."):
            assert part in found, f"{file.name}: {key}"
            found = found[part]


def test_a_preset_cannot_be_a_path(file: Path) -> None:
    (file.parent / "presets").mkdir()
    with pytest.raises(ValueError, match="no such file in presets"):
        change_parameters(file, "../params", [])
