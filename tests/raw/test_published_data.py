"""The published annotation files give the published counts."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from dwc.evaluation.protocols import Protocol, search_tasks
from dwc.raw.layouts import read
from dwc.raw.shoes import LISTS, OUTSIDE
from dwc.schema import RawData
from dwc.tables.build import Tables
from dwc.tables.published_counts import compare_counts, recognised
from tests.real_data import real_data

CATEGORIES = ("dress", "shirt", "toptee")


def as_tables(raw: RawData) -> Tables:
    return Tables(images=raw.images, triplets=raw.triplets, relevant={}, noise={})


def galleries(raw: RawData, **protocol: object) -> dict[str, tuple[int, int]]:
    """Category -> queries and gallery images of the validation split, every image being there."""
    row = {name: number for number, name in enumerate(raw.images["image_id"])}
    part = raw.triplets[raw.triplets["split"] == "val"]
    triplets = part[["triplet_id", "category", "split"]].assign(
        reference=part["reference_id"].map(row), target=part["target_id"].map(row)
    )
    tasks = search_tasks(raw.images, triplets, list(row), Protocol(split="val", **protocol))
    return {task.category: (len(task.triplets), len(task.gallery)) for task in tasks}


def linked(source: Path, folder: Path) -> Path:
    """The annotations with an empty folder for the images, which are not published with them."""
    for part in source.iterdir():
        (folder / part.name).symlink_to(part)
    (folder / "images").mkdir()
    return folder


@pytest.fixture(scope="module")
def fashioniq(tmp_path_factory: pytest.TempPathFactory) -> RawData:
    return read("fashioniq", linked(real_data("fashioniq"), tmp_path_factory.mktemp("fashioniq")), ())


@pytest.fixture(scope="module")
def shoes() -> RawData:
    return read("shoes", real_data("shoes"), ())


def test_fashioniq_pairs(fashioniq: RawData) -> None:
    counts = fashioniq.triplets.groupby(["split", "category"]).size()
    assert counts["train"].to_dict() == {"dress": 5985, "shirt": 5988, "toptee": 6027}
    assert counts["val"].to_dict() == {"dress": 2017, "shirt": 2038, "toptee": 1961}
    withheld = fashioniq.triplets.groupby("split")["target_id"].apply(lambda ids: ids.isna().mean())
    assert withheld.to_dict() == {"train": 0, "val": 0, "test": 1}


def test_fashioniq_galleries(fashioniq: RawData) -> None:
    original, val = galleries(fashioniq), galleries(fashioniq, gallery="references_and_targets")
    assert original == {"dress": (2017, 3817), "shirt": (2038, 6346), "toptee": (1961, 5373)}
    assert val == {"dress": (2017, 2628), "shirt": (2038, 3089), "toptee": (1961, 2902)}


def test_the_joint_gallery_holds_shared_images_once(fashioniq: RawData) -> None:
    """121 images are in the validation lists of both shirt and toptee."""
    joint = galleries(fashioniq, joint_gallery=True)
    assert {size for _, size in joint.values()} == {3817 + 6346 + 5373 - 121}


def test_fashioniq_images(fashioniq: RawData) -> None:
    lists = fashioniq.images["galleries"]
    assert len(lists) == 74_381 and lists.map(len).sum() == 77_683

    def shared(*names: str) -> int:
        return int(lists.map(lambda galleries: set(names) <= set(galleries)).sum())

    assert shared("toptee.train", "shirt.val") == 419
    assert shared("shirt.train", "toptee.val") == 392


def test_fashioniq_empty_captions(fashioniq: RawData) -> None:
    with_blank = fashioniq.triplets["captions"].map(lambda texts: any(not text.strip() for text in texts))
    found = fashioniq.triplets[with_blank].groupby(["category", "split"]).size().to_dict()
    assert found == {("shirt", "val"): 1, ("toptee", "train"): 12, ("toptee", "val"): 2, ("shirt", "test"): 1}


def test_fashioniq_is_recognised(fashioniq: RawData) -> None:
    counts = compare_counts(as_tables(fashioniq), "fashioniq")
    assert len(counts) == 22 and all(count.version is not None for count in counts)
    assert recognised(counts, "fashioniq") == "22 of 22 published counts of fashioniq are found here."


def test_one_category_of_fashioniq_is_compared_alone(fashioniq: RawData) -> None:
    images = fashioniq.images[fashioniq.images["galleries"].map(lambda names: names[0].startswith("dress"))]
    part = Tables(
        images=images.assign(
            galleries=images["galleries"].map(lambda names: [n for n in names if "dress" in n])
        ),
        triplets=fashioniq.triplets[fashioniq.triplets["category"] == "dress"],
        relevant={},
        noise={},
    )
    counts = compare_counts(part, "fashioniq")
    assert len(counts) == 7 and all(
        count.what.startswith("dress") and count.version == "" for count in counts
    )


def test_shoes(shoes: RawData) -> None:
    assert shoes.triplets["split"].value_counts().to_dict() == {"train": 8990, "val": 1732}
    assert len(shoes.triplets) + len(shoes.left_out) == 10_751
    assert shoes.left_out["reason"].tolist() == [OUTSIDE] * 29
    every = pd.concat([shoes.triplets, shoes.left_out])
    assert (every["reference_id"] == every["target_id"]).sum() == 27
    assert galleries(shoes) == {"shoes": (1732, 4621)}
    assert "looks like the evaluation list of 4,621 names" in str(
        recognised(compare_counts(as_tables(shoes), "shoes"), "shoes")
    )


def test_the_longer_list_of_shoes(shoes: RawData, tmp_path: Path) -> None:
    """Every end that the shorter list lacks, and as many images as the longer one has."""
    folder = real_data("shoes")
    for name in ("relative_captions_shoes.json", LISTS["train"]):
        (tmp_path / name).symlink_to(folder / name)
    names = (folder / LISTS["val"]).read_text().split()
    ends = set(shoes.left_out["reference_id"]) | set(shoes.left_out["target_id"])
    names += sorted(f"{end}.jpg" for end in ends if f"{end}.jpg" not in names)
    names += [f"img_other_{number}.jpg" for number in range(4658 - len(names))]
    (tmp_path / LISTS["val"]).write_text("\n".join(names))
    raw = read("shoes", tmp_path, ())
    assert raw.triplets["split"].value_counts()["val"] == 1761 and raw.left_out.empty
    assert "looks like the evaluation list of 4,658 names" in str(
        recognised(compare_counts(as_tables(raw), "shoes"), "shoes")
    )


def test_a_part_is_told_from_the_whole(shoes: RawData) -> None:
    part = Tables(images=shoes.images, triplets=shoes.triplets.iloc[1:], relevant={}, noise={})
    differing = [count for count in compare_counts(part, "shoes") if count.version is None]
    assert [(count.what, count.found) for count in differing] == [("shoes.train triplets", 8989)]


def test_other_data_sets_are_not_compared(shoes: RawData) -> None:
    assert compare_counts(as_tables(shoes), "our-shoes") == []
    assert recognised([], "our-shoes") is None
