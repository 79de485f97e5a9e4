"""What training and evaluation share: counted on real annotations, shown, and kept out where asked."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from dwc.raw import fashioniq
from dwc.tables.build import load_tables
from dwc.tables.leakage import SharedImages, shared_images
from tests.catalogue import write_catalogue
from tests.real_data import real_data
from tests.tables.run import append, change_record, run


def test_fashioniqs_overlap_comes_out(tmp_path: Path) -> None:
    for name in ("captions", "image_splits"):
        (tmp_path / name).symlink_to(real_data("fashioniq") / name)
    (tmp_path / "images").mkdir()
    images = fashioniq.read(tmp_path, ("dress", "shirt", "toptee")).images
    assert shared_images(images) == (
        SharedImages("toptee.train", "shirt.val", 419),
        SharedImages("toptee.train", "shirt.test", 410),
        SharedImages("shirt.train", "toptee.test", 393),
        SharedImages("shirt.train", "toptee.val", 392),
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """toptee-0 is also an evaluation image of shirt; dress-1 has the very bytes of dress-8."""
    root = write_catalogue(tmp_path / "data", side_files=False)
    append("image_splits/split.shirt.val.json", "toptee-0")(root)
    (root / "images/dress-1.jpg").write_bytes((root / "images/dress-8.png").read_bytes())
    return root


def test_the_overlap_is_counted_and_kept_by_default(root: Path, tmp_path: Path) -> None:
    result = run(root, tmp_path / "build")
    assert result.leakage.shared == (SharedImages("toptee.train", "shirt.val", 1),)
    assert {
        name: result.counts[name] for name in result.counts if name.startswith(("shared", "excluded"))
    } == {
        "shared_images": 1,
        "excluded_training_images": 0,
        "excluded_training_triplets": 0,
        "shared_toptee_train_shirt_val": 1,
    }
    assert len(load_tables(tmp_path / "build" / "tables").triplets) == 36
    page = (tmp_path / "build/validation/report.html").read_text(encoding="utf-8")
    assert '<td>toptee.train</td><td>shirt.val</td><td class="number">1</td>' in page


def test_evaluation_images_are_kept_out_of_training_where_asked(root: Path, tmp_path: Path) -> None:
    result = run(root, tmp_path / "build", exclude_eval_images=True)
    assert result.quarantined.set_index("triplet_id")["reason"].to_dict() == {
        "dress.train.000000": "target dress-1 is, byte for byte, dress-8 of the evaluation list dress.val",
        "dress.train.000001": "reference dress-1 is, byte for byte, dress-8 of the evaluation list dress.val",
        "toptee.train.000000": "reference toptee-0 stands in the evaluation list shirt.val",
        "toptee.train.000007": "target toptee-0 stands in the evaluation list shirt.val",
    }
    tables = load_tables(tmp_path / "build" / "tables")
    galleries = tables.images.set_index("image_id")["galleries"]
    assert galleries["toptee-0"] == ["shirt.val"]
    assert galleries["dress-8"] == ["dress.val"]
    assert "dress-1" not in galleries
    assert result.counts["excluded_training_images"] == 2
    assert result.counts["excluded_training_triplets"] == 4
    assert result.counts["queries_dress"] == result.counts["queries_shirt"] == 4
    ends = tables.triplets[tables.triplets["split"] == "train"][["reference_id", "target_id"]]
    evaluated = {name for name, own in galleries.items() if not own[0].endswith(".train")}
    assert not evaluated & set(ends.to_numpy().ravel())


def test_training_triplets_that_use_an_evaluation_image_are_left_out_too(tmp_path: Path) -> None:
    root = write_catalogue(tmp_path / "data", side_files=False)
    change_record("captions/cap.dress.train.json", 3, target="dress-8")(root)
    result = run(root, tmp_path / "build", exclude_eval_images=True)
    assert result.quarantined["reason"].tolist() == ["target dress-8 stands in the evaluation list dress.val"]


def test_a_picture_stored_again_is_shown_beside_its_original(tmp_path: Path) -> None:
    root = write_catalogue(tmp_path / "data", side_files=False)
    photo = Image.open(next(iter(sorted(real_data("photos").rglob("*.jpg"))))).convert("RGB")
    photo.save(root / "images/dress-3.jpg", quality=95)
    photo.resize((photo.width // 2, photo.height // 2)).save(root / "images/shirt-9.jpg", quality=60)
    result = run(root, tmp_path / "build")
    (check,) = result.warnings
    assert check.name == "no_near_duplicate_in_training"
    assert [str(example) for example in check.examples] == [
        "images/shirt-9.jpg: shirt-9 looks like dress-3 of dress.train"
    ]
    rows = pd.read_csv(tmp_path / "build/validation/near_duplicates.csv")
    assert rows[["image_id", "training_id"]].to_numpy().tolist() == [["shirt-9", "dress-3"]]
    page = (tmp_path / "build/validation/report.html").read_text(encoding="utf-8")
    assert "1 evaluation image nearly equals a training image" in page
    assert 'alt="evaluation image"' in page
