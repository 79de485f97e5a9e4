"""What validation says of counts that were published, and of records that a layout leaves out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dwc.raw.fashion200k import PairSettings
from dwc.tables.result import ValidationResult
from dwc.tables.validate import validate
from tests.catalogue import read_json, write_json
from tests.layouts import shoe_record, write_fashion200k, write_shoes


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> tuple[ValidationResult, Path]:
    root = tmp_path_factory.mktemp("shoes")
    captions = write_shoes(root / "data") / "relative_captions_shoes.json"
    write_json(captions, [*read_json(captions), shoe_record(12, 99), shoe_record(13, 13)])
    found = validate(
        root / "data",
        "shoes",
        (),
        dataset="shoes",
        min_side=16,
        max_megapixels=1.0,
        min_caption_words=1,
        tables_folder=root / "tables",
        report_folder=root / "validation",
        rejected_folder=root / "rejected",
    )
    return found, root / "validation"


def test_a_difference_is_a_warning_with_both_counts(result: tuple[ValidationResult, Path]) -> None:
    (check,) = [check for check in result[0].warnings if check.name == "counts_as_published"]
    told = {str(example) for example in check.examples}
    assert (check.count, check.total) == (4, 4)
    assert "shoes: shoes.train triplets: 12 here, 8,990 published" in told
    assert "shoes: shoes.val images: 6 here, 4,658 or 4,621 published" in told
    assert result[0].recognised is None


def test_records_left_out_by_the_layout_stand_in_the_quarantine(
    result: tuple[ValidationResult, Path],
) -> None:
    found, report = result
    assert found.quarantined["reason"].tolist() == [
        "an end is in neither list of images",
        "reference and target are the same image",
    ]
    assert found.counts["quarantined"] == 2 and found.counts["queries_shoes"] == 6
    assert "img_womens_clogs_99" in (report / "quarantine.csv").read_text()
    assert "neither list of images" in (report / "report.html").read_text()
    assert json.loads((report / "results.json").read_text())["recognised"] is None


def test_drawings_of_training_pairs_may_repeat_one_another(tmp_path: Path) -> None:
    found = validate(
        write_fashion200k(tmp_path / "data"),
        "fashion200k",
        (),
        dataset="small",
        pairs=PairSettings(draws=6),
        min_side=16,
        max_megapixels=1.0,
        min_caption_words=1,
        tables_folder=tmp_path / "tables",
        report_folder=tmp_path / "validation",
        rejected_folder=tmp_path / "rejected",
    )
    pairs = found.kept.triplets.query("split == 'train'")[["reference_id", "target_id"]]
    assert pairs.duplicated().any()
    assert not {"triplets_not_repeated", "pairs_not_repeated"} & {check.name for check in found.warnings}
