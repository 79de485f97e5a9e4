"""The Shoes layout."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dwc.raw.layouts import read
from dwc.raw.shoes import ACROSS, OUTSIDE
from tests.catalogue import read_json, write_json
from tests.layouts import shoe, shoe_record, write_shoes

CAPTIONS = "relative_captions_shoes.json"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_shoes(tmp_path)


def add(root: Path, *records: dict[str, str]) -> None:
    write_json(root / CAPTIONS, [*read_json(root / CAPTIONS), *records])


def test_records_belong_to_the_list_of_both_ends(root: Path) -> None:
    raw = read("shoes", root, ())
    assert raw.triplets["split"].value_counts().to_dict() == {"train": 12, "val": 6}
    image = raw.images.set_index("image_id").loc["img_womens_clogs_13"]
    assert image["path"] == "attributedata/womens_clogs/1/img_womens_clogs_13.jpg"
    assert image["galleries"] == ["shoes.val"]
    triplet = raw.triplets.set_index("triplet_id").loc["shoes.val.000012"]
    assert (triplet["reference_id"], triplet["target_id"]) == ("img_womens_clogs_12", "img_womens_clogs_13")
    assert triplet["captions"] == ["is brown instead"] and triplet["record"] == 12


def test_each_record_is_one_triplet(root: Path) -> None:
    assert read("shoes", root, ()).triplets["triplet_id"].is_unique
    assert len(read("shoes", root, ()).triplets) == len(read_json(root / CAPTIONS))


def test_records_with_an_end_elsewhere_are_left_out_by_name(root: Path) -> None:
    add(root, shoe_record(12, 99), shoe_record(0, 12), shoe_record(98, 99))
    raw = read("shoes", root, ())
    assert len(raw.triplets) == 18
    assert raw.left_out[["record", "reason"]].to_numpy().tolist() == [
        [18, OUTSIDE],
        [19, ACROSS],
        [20, OUTSIDE],
    ]


def test_a_picture_that_is_not_there_has_no_path(root: Path) -> None:
    (root / f"attributedata/womens_clogs/1/{shoe(3)}").unlink()
    images = read("shoes", root, ()).images.set_index("image_id")
    assert images["path"].isna().sum() == 1 and images["path"].isna()["img_womens_clogs_3"]


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ({"ImageName": "a.jpg", "ReferenceImageName": "b.jpg"}, "no key `RelativeCaption`"),
        ({"ImageName": "../a.jpg", "ReferenceImageName": "b.jpg", "RelativeCaption": "x"}, "is a path"),
    ],
)
def test_a_bad_record_is_named(root: Path, record: dict[str, str], told: str) -> None:
    add(root, record)
    with pytest.raises(ValueError, match=re.escape(f"{root / CAPTIONS} record 18: ")) as error:
        read("shoes", root, ())
    assert told in str(error.value)


@pytest.mark.parametrize("name", [CAPTIONS, "train_im_names.txt", "eval_im_names.txt"])
def test_a_missing_file_is_named_with_the_layout(root: Path, name: str) -> None:
    (root / name).unlink()
    with pytest.raises(ValueError, match=re.escape(f"{root / name}: no such file. The Shoes layout has")):
        read("shoes", root, ())


def test_other_categories_are_refused(root: Path) -> None:
    with pytest.raises(ValueError, match=r"one category, `shoes`, not dress\. Set data\.categories to \[\]"):
        read("shoes", root, ["dress"])
