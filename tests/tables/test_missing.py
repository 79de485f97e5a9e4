"""Images that cannot be used: under each policy exactly what needs them is left out, counted and listed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from dwc.tables.build import load_tables
from dwc.tables.result import ValidationFailed
from tests.catalogue import read_json, write_catalogue
from tests.tables.run import change_record, run


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """dress-3 (training) has no file, dress-5 (training) is broken, dress-9 (evaluation) has no file."""
    root = write_catalogue(tmp_path / "data", side_files=False)
    (root / "images/dress-3.jpg").unlink()
    (root / "images/dress-5.png").write_bytes(b"<html>not found</html>")
    (root / "images/dress-9.jpg").unlink()
    return root


BROKEN = "is no picture that can be read (JPEG, PNG, WEBP, GIF, BMP, TIFF, AVIF)"
LEFT_OUT_IMAGES = {"dress-3": "has no file", "dress-5": BROKEN, "dress-9": "has no file"}
# Each image is the reference of one triplet and the target of the one before it.
LEFT_OUT_TRIPLETS = {
    "dress.train.000002": "target dress-3 has no file",
    "dress.train.000003": "reference dress-3 has no file",
    "dress.train.000004": f"target dress-5 {BROKEN}",
    "dress.train.000005": f"reference dress-5 {BROKEN}",
    "dress.val.000000": "target dress-9 has no file",
    "dress.val.000001": "reference dress-9 has no file",
}


def test_dropping_leaves_out_what_needs_the_images_and_nothing_else(root: Path, tmp_path: Path) -> None:
    result = run(root, tmp_path / "build", missing_images="drop")
    tables = load_tables(tmp_path / "build" / "tables")
    assert not set(tables.images["image_id"]) & set(LEFT_OUT_IMAGES)
    assert len(tables.images) == 36 - 3
    assert tables.images["path"].notna().all()
    assert len(tables.triplets) == 36 - 6
    kept = tables.left_out
    assert dict(zip(kept.triplets["triplet_id"], kept.triplets["reason"], strict=True)) == LEFT_OUT_TRIPLETS
    assert dict(zip(kept.images["image_id"], kept.images["reason"], strict=True)) == LEFT_OUT_IMAGES
    expected = {
        "images": 36,
        "triplets": 30,
        "quarantined": 6,
        "missing_images": 3,
        "train_triplets_dress": 4,
        "dropped_train_triplets_dress": 4,
        "queries_dress": 2,
        "dropped_queries_dress": 2,
        "gallery_dress": 3,
        "dropped_gallery_dress": 1,
        "train_triplets_shirt": 8,
        "dropped_train_triplets_shirt": 0,
        "dropped_gallery_shirt": 0,
    }
    assert {name: result.counts[name] for name in expected} == expected


def test_the_report_lists_all_of_it(root: Path, tmp_path: Path) -> None:
    run(root, tmp_path / "build", missing_images="drop")
    folder = tmp_path / "build" / "validation"
    images = pd.read_csv(folder / "left_out_images.csv").set_index("image_id")
    assert images["reason"].to_dict() == LEFT_OUT_IMAGES
    assert images.loc["dress-9", "lists"] == "dress.val"
    assert set(pd.read_csv(folder / "quarantine.csv")["triplet_id"]) == set(LEFT_OUT_TRIPLETS)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "<b>6</b><span>triplets left out" in page
    assert "3 images cannot be used" in page
    assert "6 for want of an image." in page


def test_failing_names_images_and_the_way_out(root: Path, tmp_path: Path) -> None:
    with pytest.raises(ValidationFailed) as failure:
        run(root, tmp_path / "build")
    failed = [check.name for check in failure.value.result.errors]
    assert failed == ["image_file_exists", "image_decodes", "triplet_images_have_files"]
    assert "set validate.missing_images to drop" in str(failure.value)


def test_training_may_lack_images_where_evaluation_may_not(root: Path, tmp_path: Path) -> None:
    policy = "drop_from_training_only"
    with pytest.raises(ValidationFailed) as failure:
        run(root, tmp_path / "build", missing_images=policy)
    (check,) = failure.value.result.errors
    assert check.name == "evaluation_image_usable"
    assert [str(example) for example in check.examples] == [
        "image list dress.val: dress-9 has no file, and serves evaluation"
    ]
    (root / "images/dress-9.jpg").write_bytes((root / "images/dress-10.jpg").read_bytes())
    result = run(root, tmp_path / "build", missing_images=policy)
    assert set(result.quarantined["triplet_id"]) == {name for name in LEFT_OUT_TRIPLETS if "train" in name}
    assert result.counts["gallery_dress"] == 4
    assert result.counts["missing_images"] == 2


def test_names_in_no_list_are_missing_images_too(tmp_path: Path) -> None:
    root = write_catalogue(tmp_path / "data", side_files=False)
    change_record("captions/cap.dress.train.json", 1, target="stranger")(root)
    training = run(root, tmp_path / "build", missing_images="drop_from_training_only")
    assert training.quarantined["reason"].tolist() == ["target stranger is in no image list"]
    change_record("captions/cap.dress.val.json", 1, candidate="unknown")(root)
    with pytest.raises(ValidationFailed) as failure:
        run(root, tmp_path / "build", missing_images="drop_from_training_only")
    assert [check.name for check in failure.value.result.errors] == ["evaluation_images_listed"]
    both = run(root, tmp_path / "build", missing_images="drop")
    assert both.quarantined["reason"].tolist() == [
        "target stranger is in no image list",
        "reference unknown is in no image list",
    ]


def test_images_over_the_limit_are_missing_too(tmp_path: Path) -> None:
    """A picture of 64 × 64 pixels has 0.0041 megapixels."""
    root = write_catalogue(tmp_path / "data", side_files=False)
    Image.new("RGB", (80, 80)).save(root / "images/dress-2.png")
    result = run(root, tmp_path / "build", missing_images="drop", max_megapixels=0.0042)
    assert result.kept.left_out.images["reason"].tolist() == ["has more than 0.0042 megapixels"]
    assert result.counts["dropped_train_triplets_dress"] == 2


def test_a_category_of_which_nothing_is_left_is_an_error(tmp_path: Path) -> None:
    root = write_catalogue(tmp_path / "data", side_files=False)
    for name in read_json(root / "image_splits/split.shirt.val.json"):
        for file in (root / "images").glob(f"{name}.*"):
            file.unlink()
    with pytest.raises(ValidationFailed) as failure:
        run(root, tmp_path / "build", missing_images="drop")
    (check,) = failure.value.result.errors
    assert [str(example) for example in check.examples] == ["shirt.val: none of its 4 triplets is left"]


def test_side_files_lose_what_is_left_out(tmp_path: Path) -> None:
    root = write_catalogue(tmp_path / "data")
    (root / "images/dress-9.jpg").unlink()
    run(root, tmp_path / "build", missing_images="drop")
    tables = load_tables(tmp_path / "build" / "tables")
    assert "dress.val.000000" not in tables.relevant
    assert "dress.val.000000" not in tables.noise
    assert "dress.val.000002" in tables.relevant
