"""The FashionIQ layout: what is read, and what each broken file is told."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from dwc.raw.layouts import read
from dwc.schema import IMAGE_COLUMNS, TRIPLET_COLUMNS, RawData
from tests.catalogue import CATEGORIES, read_json, write_catalogue, write_json

DRESS_TRAIN = "captions/cap.dress.train.json"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_catalogue(tmp_path / "data")


def read_all(root: Path) -> RawData:
    return read("fashioniq", root, CATEGORIES)


def refused(root: Path, *parts: str) -> None:
    """Reading fails with a message that has all the parts."""
    with pytest.raises(ValueError, match=re.escape(parts[0])) as error:
        read_all(root)
    for part in parts:
        assert part in str(error.value)


def test_a_catalogue_becomes_two_tables(root: Path) -> None:
    raw = read_all(root)
    assert list(raw.images.columns) == list(IMAGE_COLUMNS)
    assert list(raw.triplets.columns) == list(TRIPLET_COLUMNS)
    assert (len(raw.images), len(raw.triplets)) == (36, 36)
    image = raw.images.set_index("image_id").loc["shirt-2"]
    assert image["path"] == "images/shirt-2.png"
    assert image["galleries"] == ["shirt.train"]
    assert image["label"] == "shirt-2"
    assert image["title"] == "blue shirt, with a circle"
    triplet = raw.triplets.set_index("triplet_id").loc["shirt.val.000003"]
    assert triplet.to_dict() == {
        "category": "shirt",
        "split": "val",
        "reference_id": "shirt-11",
        "target_id": "shirt-8",
        "captions": ["is red instead", "has a circle and more red"],
        "source": "captions/cap.shirt.val.json",
        "record": 3,
    }


def test_side_files_are_read(root: Path) -> None:
    raw = read_all(root)
    assert raw.relevant["dress.val.000000"] == ["dress-9"]
    assert raw.noise["dress.train.000000"] == ["clean", "clean"]


def test_side_files_are_optional(tmp_path: Path) -> None:
    raw = read_all(write_catalogue(tmp_path, side_files=False))
    assert raw.relevant == raw.noise == {}
    assert raw.images["title"].isna().all()


def test_only_the_categories_asked_for_are_read(root: Path) -> None:
    raw = read("fashioniq", root, ["shirt"])
    assert set(raw.triplets["category"]) == {"shirt"}
    assert len(raw.images) == 12


def test_the_test_split_has_no_targets(root: Path) -> None:
    write_json(root / "image_splits/split.dress.test.json", ["dress-20", "dress-21"])
    write_json(root / "captions/cap.dress.test.json", [{"candidate": "dress-20", "captions": ["is longer"]}])
    triplets = read_all(root).triplets.set_index("triplet_id")
    assert pd.isna(triplets.loc["dress.test.000000", "target_id"])


def test_an_image_of_several_lists_has_one_row(root: Path) -> None:
    shared = root / "image_splits/split.shirt.val.json"
    write_json(shared, [*read_json(shared), "toptee-0"])
    images = read_all(root).images.set_index("image_id")
    assert images.loc["toptee-0", "galleries"] == ["shirt.val", "toptee.train"]


def test_an_image_twice_in_a_list_stays_visible(root: Path) -> None:
    path = root / "image_splits/split.dress.val.json"
    write_json(path, [*read_json(path), "dress-8"])
    images = read_all(root).images.set_index("image_id")
    assert images.loc["dress-8", "galleries"] == ["dress.val", "dress.val"]


def test_an_image_without_a_file_has_no_path(root: Path) -> None:
    (root / "images/dress-0.jpg").unlink()
    images = read_all(root).images.set_index("image_id")
    assert pd.isna(images.loc["dress-0", "path"])


def test_jpg_comes_before_png_whatever_the_case(root: Path) -> None:
    shutil.copy(root / "images/dress-2.png", root / "images/dress-0.png")
    (root / "images/dress-1.jpg").rename(root / "images/dress-1.JPEG")
    images = read_all(root).images.set_index("image_id")
    assert images.loc["dress-0", "path"] == "images/dress-0.jpg"
    assert images.loc["dress-1", "path"] == "images/dress-1.JPEG"


@pytest.mark.parametrize("name", ["all_imgs", "resized_image"])
def test_other_names_of_the_image_folder(root: Path, name: str) -> None:
    (root / "images").rename(root / name)
    assert read_all(root).images["path"][0] == f"{name}/dress-0.jpg"


def test_no_image_folder(root: Path) -> None:
    shutil.rmtree(root / "images")
    refused(root, f"{root / 'images'}: no such folder", "all_imgs")


def test_no_data_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no such data folder.*dvc pull"):
        read("fashioniq", tmp_path / "nowhere", CATEGORIES)


def test_an_unknown_layout(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"unknown layout `cirr`. Known are css, .*fashioniq"):
        read("cirr", tmp_path, CATEGORIES)


@pytest.mark.parametrize("name", [DRESS_TRAIN, "image_splits/split.toptee.val.json"])
def test_a_missing_file_is_named_with_its_layout(root: Path, name: str) -> None:
    (root / name).unlink()
    refused(root, f"{root / name}: no such file", "captions/cap.", "image_splits/split.", "data.categories")


def test_half_a_test_split_is_refused(root: Path) -> None:
    write_json(root / "captions/cap.dress.test.json", [{"candidate": "dress-8", "captions": ["a"]}])
    refused(root, "split.dress.test.json: no such file")


def test_invalid_json_is_told_by_line_and_column(root: Path) -> None:
    (root / DRESS_TRAIN).write_text('[\n {"candidate": "a",}\n]', encoding="utf-8")
    refused(root, f"{root / DRESS_TRAIN}: line 2 column 20: not valid JSON", "fetch it again")


def test_text_that_is_not_utf8(root: Path) -> None:
    (root / DRESS_TRAIN).write_bytes(b'["caf\xe9"]')
    refused(root, f"{root / DRESS_TRAIN}: byte 5 is not UTF-8")


@pytest.mark.parametrize("content", ["{}", "[]", '"text"'])
def test_a_file_without_a_list(root: Path, content: str) -> None:
    (root / DRESS_TRAIN).write_text(content, encoding="utf-8")
    refused(root, f"{root / DRESS_TRAIN}: expected a JSON list")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"target": ...}, "no key `target`"),
        ({"candidate": ...}, "no key `candidate`"),
        ({"captions": ...}, "no key `captions`"),
        ({"target": 7}, "`target` must be a string, not 7"),
        ({"target": None}, "`target` must be a string, not null"),
        ({"captions": "is red"}, '`captions` must be a list of strings, not "is red"'),
        ({"captions": ["is red", None]}, '`captions` must be a list of strings, not ["is red", null]'),
        ({"target": ""}, "an image id must be a non-empty string"),
        ({"target": "../../etc/passwd"}, "image id '../../etc/passwd' is a path"),
        ({"candidate": "a\\b"}, r"image id 'a\\b' is a path"),
        ({"candidate": ".."}, "image id '..' is a path"),
    ],
)
def test_a_bad_record_is_named(root: Path, change: dict[str, object], told: str) -> None:
    records = read_json(root / DRESS_TRAIN)
    changed = {**records[5], **change}
    records[5] = {key: value for key, value in changed.items() if value is not ...}
    write_json(root / DRESS_TRAIN, records)
    refused(root, f"{root / DRESS_TRAIN} record 5: {told}")


def test_a_record_that_is_no_object(root: Path) -> None:
    write_json(root / DRESS_TRAIN, ["text"])
    refused(root, f"{root / DRESS_TRAIN} record 0: expected an object")


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", 12])
def test_a_listed_id_that_is_no_plain_name(root: Path, name: object) -> None:
    path = root / "image_splits/split.shirt.train.json"
    write_json(path, [*read_json(path), name])
    refused(root, f"{path} record 8: ")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("image_id,name\na,b\n", "no column `title`"),
        ("image_id,title\na,b\na,c\n", "line 3: `a` is named a second time"),
        ('image_id,title\na,"b\n', "not valid CSV"),
    ],
)
def test_broken_titles(root: Path, content: str, told: str) -> None:
    (root / "attributes.csv").write_text(content, encoding="utf-8")
    refused(root, str(root / "attributes.csv"), told)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("relevant.json", [], "expected a JSON object"),
        ("relevant.json", {"dress.val.000000": "dress-9"}, "`dress.val.000000` must be a list of strings"),
        ("noise.json", {"dress.val.000000": ["clean"]}, "triplet dress.val.000000: expected an object"),
        ("noise.json", {"dress.val.000000": {}}, "triplet dress.val.000000: no key `captions`"),
    ],
)
def test_broken_side_files(root: Path, name: str, value: object, told: str) -> None:
    (root / name).write_text(json.dumps(value), encoding="utf-8")
    refused(root, str(root / name), told)
