"""Tables and figures from hand-made records, with means and intervals worked out by hand."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from PIL import Image

from dwc.studies.definition import Study
from dwc.studies.plan import Plan, Versions
from dwc.studies.records import Records
from tests.studies.hand_made import (
    BASE,
    DEFAULT_1,
    DEFAULT_2,
    FACTS,
    NOTHING,
    OTHER_1,
    OTHER_2,
    plan,
    record,
)

PAIR = Study(title="A pair", question="Which?", variants={"plain": {}, "other": {"train.loss.alpha": 0}})
SWEEP = Study(
    title="A sweep",
    question="How much?",
    axis="share",
    levels={level: {"train.loss.alpha": level} for level in (0, 0.2)},
)
GRID = Study(
    title="A grid",
    question="Where?",
    axis="noise, %",
    levels={0: {}, 50: {"train.captions.replaced": 0.5}},
    variants={"full": {}, "off": {"train.loss.mutual_weight": 0}},
)
SYSTEMS = PAIR.model_copy(update={"systems": ("fused", "cnn")})


def filled(folder: Path, **studies: Study) -> Plan:
    """A pair of variants with both seeds."""
    made = plan(folder, **studies)
    for run, ranks in zip(made.runs(["pair"]), (DEFAULT_1, OTHER_1, DEFAULT_2, OTHER_2), strict=True):
        record(made.records, run, ranks)
    return made


def rows(page: str) -> list[list[str]]:
    """Cells of the page's tables."""
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_studies_share_runs(tmp_path: Path) -> None:
    made = plan(tmp_path, pair=PAIR, sweep=SWEEP, grid=GRID)
    assert [len(made.runs([name])) for name in ("pair", "sweep", "grid")] == [4, 4, 8]
    assert len(made.runs(["pair", "sweep"])) == 4, "alpha 0.2 is the default, whoever says so"
    assert len(made.runs(made.names())) == 10
    assert [run.seed for run in made.runs(["pair"])] == [1, 1, 2, 2]


def test_a_recorded_run_is_not_missing_until_something_decisive_changes(tmp_path: Path) -> None:
    made = filled(tmp_path, pair=PAIR, sweep=SWEEP)
    assert made.missing(["pair", "sweep"]) == []
    again = Records(tmp_path)
    for versions, missing in (
        (Versions(data="d1", code="c1"), 0),
        (Versions(data="d1", code=None), 0),
        (Versions(data="d2", code="c1"), 4),
        (Versions(data="d1", code="c2"), 4),
    ):
        now = Plan(made.studies, BASE, again, versions)
        assert len(now.missing(["pair"])) == missing
        assert len(now.shown(["pair"])) == (4 if versions.data == "d1" else 0), "whatever the code"
    changed = {**BASE, "train": {"dim": 64}}
    assert len(Plan(made.studies, changed, again, Versions(data="d1", code="c1")).missing(["pair"])) == 4


def test_the_table_has_means_differences_and_intervals(tmp_path: Path) -> None:
    page = filled(tmp_path, pair=PAIR).write("pair", tmp_path).read_text()
    # Each query's mean over seeds: plain dress (1, 1/2), shirt 1/2; other dress (1/2, 1/2), shirt 1.
    # Plain: a draw of two dresses has mean 1/2, 3/4 or 1, so the whole is 50, 62.5 or 75 %.
    # Difference: dress (-1/2, 0), shirt +1/2; a draw gives 0, 12.5 or 25 points.
    assert rows(page) == [
        ["variant", "R@1", "R@10", "MRR", "difference", "of each seed"],
        ["---"] * 6,
        ["plain", "37.5", "62.5 (50.0–75.0)", "0.440", "reference", ""],
        ["other", "25.0", "75.0 (75.0–75.0)", "0.362", "+12.5 (0.0 to +25.0)", "−25.0 / +50.0"],
    ]
    for fact in ("val/original/reference-masked, 3 queries", "4, 61 to 62 s each", "Some CPU", "0123456789ab",
                 "Seeds: 1, 2", "`train.epochs=6`", "d1", "2026-11-21", "500 times"):  # fmt: skip
        assert fact in page
    assert "missing" not in page and "versions of the stages' code" not in page
    with Image.open(tmp_path / "pair.png") as picture:
        assert picture.width > 800


def test_a_sweep_compares_with_the_default_level(tmp_path: Path) -> None:
    page = filled(tmp_path, pair=PAIR, sweep=SWEEP).write("sweep", tmp_path).read_text()
    assert [row[0] for row in rows(page)] == ["share", "---", "0", "0.2"]
    assert [row[-2] for row in rows(page)[2:]] == ["+12.5 (0.0 to +25.0)", "reference"]


def test_single_streams_are_compared_with_both_of_the_same_runs(tmp_path: Path) -> None:
    made = plan(tmp_path, pair=SYSTEMS)
    for run in made.runs(["pair"]):
        record(made.records, run, OTHER_2, cnn=NOTHING if run.own else DEFAULT_1)
    table = rows(made.write("pair", tmp_path).read_text())
    assert [row[:2] + row[-3:] for row in table[2:]] == [
        ["plain", "DWC, both streams", "reference", "", "–"],
        ["plain", "CNN stream alone", "reference", "", "−25.0 (−50.0 to 0.0)"],
        ["other", "DWC, both streams", "0.0 (0.0 to 0.0)", "0.0 / 0.0", "–"],
        ["other", "CNN stream alone", "**−75.0 (−100.0 to −50.0)**", "−75.0 / −75.0",
         "**−100.0 (−100.0 to −100.0)**"],
    ]  # fmt: skip


def test_variants_at_levels_are_compared_at_each_level_and_their_trend_is_shown(tmp_path: Path) -> None:
    made = plan(tmp_path, grid=GRID)
    for run in made.runs(["grid"]):
        noisy_and_off = len(run.own) == 2
        record(made.records, run, NOTHING if noisy_and_off else OTHER_2)
    page = made.write("grid", tmp_path).read_text()
    table = rows(page)
    assert [row[:2] for row in table[2:6]] == [["0", "full"], ["0", "off"], ["50", "full"], ["50", "off"]]
    assert [row[-2] for row in table[2:6]] == [
        "reference", "0.0 (0.0 to 0.0)", "reference", "**−100.0 (−100.0 to −100.0)**",
    ]  # fmt: skip
    assert table[-1] == ["off", "**−100.0 (−100.0 to −100.0)**"]
    assert "difference to full at 50 is from that at 0" in page


def test_only_seeds_of_both_sides_are_compared_and_missing_runs_are_named(tmp_path: Path) -> None:
    made = plan(tmp_path, pair=PAIR, sweep=SWEEP)
    for run, ranks in zip(made.runs(["pair"]), (DEFAULT_1, OTHER_1, DEFAULT_2), strict=False):
        record(made.records, run, ranks)
    page = made.write("pair", tmp_path).read_text()
    assert rows(page)[3] == ["other", "0.0", "50.0 (50.0–50.0)", "0.125", "−25.0 (−50.0 to 0.0)", "−25.0"]
    assert "1 of the 4 runs are missing." in page


def test_a_study_without_runs_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Run `dwc study pair` first"):
        plan(tmp_path, pair=PAIR).write("pair", tmp_path)
    with pytest.raises(ValueError, match="Known are: pair"):
        plan(tmp_path, pair=PAIR).study("pear")


def test_runs_of_several_versions_of_the_code_are_pointed_out(tmp_path: Path) -> None:
    made = filled(tmp_path, pair=PAIR)
    record(
        made.records, made.runs(["pair"])[1], OTHER_1, dataclasses.replace(FACTS, code="c2", git="feed" * 4)
    )
    page = made.write("pair", tmp_path).read_text()
    assert "2 versions of the stages' code" in page and "0123456789ab; feedfeedfeed" in page


def test_records_survive_being_read_again_and_replaced(tmp_path: Path) -> None:
    made = filled(tmp_path, pair=PAIR)
    first = made.write("pair", tmp_path).read_text()
    again = plan(tmp_path, pair=PAIR)
    assert again.write("pair", tmp_path).read_text() == first
    record(again.records, again.runs(["pair"])[0], OTHER_2)
    assert len(Records(tmp_path).runs) == 4
    assert rows(again.write("pair", tmp_path).read_text())[2][2] == "75.0 (75.0–75.0)"


def test_a_line_without_ranks_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    filled(tmp_path, pair=PAIR)
    (tmp_path / "ranks.parquet").unlink()
    with pytest.raises(ValueError, match="no ranks of run `default-1`"):
        plan(tmp_path, pair=PAIR).write("pair", tmp_path)
