"""The Fashion200K layout, its texts, and the drawing of its training pairs."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from dwc.raw.fashion200k import UNLABELLED, PairSettings
from dwc.raw.layouts import read
from dwc.raw.pairs import draw_pairs, modification
from tests.layouts import f200k_path, write_fashion200k

CAPTIONS = ["red dress", "blue dress", "red skirt", "long coat", "blue dress"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_fashion200k(tmp_path)


@pytest.mark.parametrize(
    ("reference", "target", "text"),
    [
        ("red dress", "blue dress", "replace red with blue"),
        ("white long dress", "white short dress", "replace long with short"),
        ("blue dress", "blue dress", "replace dress with dress"),  # as in the published evaluation
        ("dress", "red dress", "replace dress with red"),
    ],
)
def test_the_text_names_the_words_that_differ(reference: str, target: str, text: str) -> None:
    assert modification(reference, target, "replace") == text
    assert modification(reference, target, "replace_and_get") == f"{text} and get {target}"


def test_partners_differ_by_one_word() -> None:
    drawn = {pair for draw in range(60) for pair in draw_pairs(CAPTIONS, seed=3, draw=draw)}
    captions = {(CAPTIONS[pair.reference], CAPTIONS[pair.target]) for pair in drawn}
    reds = {("red dress", "blue dress"), ("red dress", "red skirt")}
    assert captions == reds | {(target, reference) for reference, target in reds}
    assert {pair.target for pair in drawn if pair.reference == 0} == {1, 2, 4}


def test_every_image_with_a_partner_is_drawn_once() -> None:
    pairs = list(draw_pairs(CAPTIONS, seed=3, draw=0))
    assert [pair.reference for pair in pairs] == [0, 1, 2, 4]


def test_seed_and_draw_alone_decide_the_pairs() -> None:
    def drawn(seed: int, draw: int) -> list[tuple[int, int]]:
        return list(
            draw_pairs(["red dress", "blue dress", "green dress", "grey dress"] * 5, seed=seed, draw=draw)
        )

    assert drawn(1, 0) == drawn(1, 0)
    assert drawn(1, 0) != drawn(1, 1) and drawn(1, 0) != drawn(2, 0)


def test_a_folder_becomes_two_tables(root: Path) -> None:
    raw = read("fashion200k", root, (), pairs=PairSettings(draws=2))
    assert raw.images["galleries"].map(tuple).value_counts().to_dict() == {
        ("fashion200k.train",): 18,
        ("fashion200k.test",): 10,
    }
    image = raw.images.set_index("image_id").loc[f200k_path("test", 3)]
    assert image["label"] == image["title"] == "white dress" and image["path"] == f200k_path("test", 3)
    training = raw.triplets[raw.triplets["split"] == "train"]
    assert training["draw"].value_counts().to_dict() == {0: 15, 1: 15}  # the three coats have no partner
    captions = raw.images.set_index("image_id")["label"]
    for row in training.itertuples():
        assert row.captions == [modification(captions[row.reference_id], captions[row.target_id], "replace")]
    assert raw.triplets["triplet_id"].is_unique


def test_the_published_queries_are_read(root: Path) -> None:
    raw = read("fashion200k", root, (), pairs=PairSettings(text="replace_and_get"))
    queries = raw.triplets[raw.triplets["split"] == "test"]
    assert [row.captions[0] for row in queries.itertuples()] == [
        "replace black with white and get white dress",
        "replace white with black and get black dress",
        "replace dress with skirt and get black skirt",
        "replace white with brown and get brown dress",
        "replace white with black and get black dress",
    ]
    assert queries["draw"].unique().tolist() == [-1]


def test_pictures_may_lie_below_images(root: Path) -> None:
    (root / "images").mkdir()
    (root / "women").rename(root / "images/women")
    images = read("fashion200k", root, ()).images
    assert images["path"].tolist() == [f"images/{name}" for name in images["image_id"]]


def test_an_image_labelled_twice_keeps_its_first_caption(root: Path) -> None:
    with (root / "labels/dress_test_detect_all.txt").open("a") as file:
        file.write(f"{f200k_path('test', 0)}\t0.1\tpink hat\n")
    image = read("fashion200k", root, ()).images.set_index("image_id").loc[f200k_path("test", 0)]
    assert image["label"] == "black dress" and image["galleries"] == ["fashion200k.test"]


def test_a_query_of_an_unlabelled_image_is_left_out_by_name(root: Path) -> None:
    with (root / "test_queries.txt").open("a") as file:
        file.write(f"{f200k_path('test', 0)} women/none.jpeg\n")
    left_out = read("fashion200k", root, ()).left_out
    assert left_out[["record", "reason"]].to_numpy().tolist() == [[5, UNLABELLED]]


def test_categories_choose_label_files(root: Path) -> None:
    other = root / "labels/skirt_test_detect_all.txt"
    other.write_text(f"{f200k_path('test', 99)}\t0.5\tblack skirt\n")
    (root / "labels/skirt_train_detect_all.txt").write_text(f"{f200k_path('train', 99)}\t0.5\tblack skirt\n")
    assert Counter(read("fashion200k", root, ["dress"]).images["title"])["black skirt"] == 2
    assert Counter(read("fashion200k", root, ()).images["title"])["black skirt"] == 4
    with pytest.raises(ValueError, match=r"labels/hat_train_detect_all\.txt: no such file"):
        read("fashion200k", root, ["hat"])


@pytest.mark.parametrize(
    ("name", "line", "told"),
    [
        ("labels/dress_train_detect_all.txt", "women/a.jpeg 0.5 red", "record 18: expected path, score and"),
        ("labels/dress_train_detect_all.txt", "../a.jpeg\t0.5\tred", "record 18: '../a.jpeg' is no relative"),
        ("test_queries.txt", "women/a.jpeg", "record 5: expected two paths, not 1"),
    ],
)
def test_a_bad_line_is_named(root: Path, name: str, line: str, told: str) -> None:
    with (root / name).open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(ValueError, match=re.escape(f"{root / name} {told}")):
        read("fashion200k", root, ())


def test_the_query_file_has_its_source_named(root: Path) -> None:
    (root / "test_queries.txt").unlink()
    with pytest.raises(ValueError, match=r"test_queries.txt: no such file.*authors of TIRG"):
        read("fashion200k", root, ())
