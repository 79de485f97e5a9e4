"""Rows and files as real data sets have them: each is told, nothing crashes, nothing is lost unseen."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from dwc.raw.layouts import read
from dwc.schema import RawData
from dwc.tables.build import build_tables, load_tables
from dwc.tables.lookalikes import alike, find_lookalikes, fold
from dwc.tables.phrases import reveals, says_nothing
from dwc.tables.result import ValidationFailed, ValidationResult
from tests.catalogue import read_json, write_catalogue, write_json
from tests.tables.run import append, change_record, run


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_catalogue(tmp_path / "data", side_files=False)


def rename(root: Path, old: str, new: str, file: str | None) -> None:
    """Give an image another id in the annotations, and its file another name."""
    for path in [*root.glob("captions/*.json"), *root.glob("image_splits/*.json")]:
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(f'"{old}"', f'"{new}"'), encoding="utf-8")
    if file:
        (root / f"images/{old}.jpg").rename(root / "images" / file)


def only_warning(result: ValidationResult) -> tuple[str, list[str]]:
    (check,) = result.warnings
    return check.name, [str(example) for example in check.examples]


@pytest.mark.parametrize(
    ("image_id", "file", "told"),
    [
        ("dress-0", "DRESS-0.JPG", "letter case"),
        ("caf\u00e9", unicodedata.normalize("NFD", "caf\u00e9") + ".jpg", "Unicode form"),
        (unicodedata.normalize("NFD", "r\u00f4be"), "r\u00f4be.jpg", "Unicode form"),
        ("stra\u00dfe", "STRASSE.jpg", "letter case"),
        ("dress-0", "dress-0.webp", "suffix .webp"),
    ],
)
def test_a_file_under_another_spelling_is_found_and_told(
    image_id: str, file: str, told: str, root: Path, tmp_path: Path
) -> None:
    rename(root, "dress-0", image_id, file)
    name, examples = only_warning(run(root, tmp_path / "build"))
    assert name == "image_file_named_as_listed"
    assert examples == [f"images/{file}: {image_id} is taken to be this file, which differs in {told}"]
    tables = load_tables(tmp_path / "build" / "tables")
    assert tables.images.set_index("image_id").loc[image_id, "path"] == f"images/{file}"


def test_what_could_mean_two_files_or_two_ids_is_not_guessed(root: Path, tmp_path: Path) -> None:
    rename(root, "dress-0", "Dress-0", None)
    (root / "images/dress-0.jpg").rename(root / "images/DRESS-0.jpg")
    (root / "images/dress-0.gif").write_bytes(b"GIF89a")
    with pytest.raises(ValidationFailed) as failure:
        run(root, tmp_path / "build")
    assert "image_file_exists" in [check.name for check in failure.value.result.errors]


def test_ids_that_look_the_same_are_told(root: Path, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), "teal").save(root / "images/Dress-0.jpg")
    append("image_splits/split.dress.train.json", "Dress-0")(root)
    name, examples = only_warning(run(root, tmp_path / "build"))
    assert name == "image_ids_not_alike"
    assert examples == [
        "images/dress-0.jpg: dress-0 and Dress-0 look the same",
        "images/Dress-0.jpg: Dress-0 and dress-0 look the same",
    ]


def test_a_misspelt_name_is_told_with_what_it_may_mean(root: Path, tmp_path: Path) -> None:
    change_record("captions/cap.dress.train.json", 1, target="DRESS-3 ")(root)
    change_record("captions/cap.dress.train.json", 2, candidate="dress-4.jpg")(root)
    with pytest.raises(
        ValidationFailed, match=r"target DRESS-3  \(is dress-3 meant\?\) is not in any"
    ) as failure:
        run(root, tmp_path / "build")
    assert "reference dress-4.jpg (is dress-4 meant?) is not in any" in str(failure.value)


def test_folding_ignores_case_and_form_alone() -> None:
    assert fold("CAFE\u0301") == fold("caf\u00e9") != fold("cafe")
    assert alike(["a", "A", "b"]) == {"a": "A", "A": "a"}


@pytest.mark.parametrize(
    ("captions", "found"),
    [
        (["is the same", "is red"], "is the same"),
        (["is red", "Is exactly the same!"], "Is exactly the same!"),
        (["n/a", "NA"], "n/a"),
        (["is identical.", ""], "is identical."),
        (["is the same color", "the same but red"], None),
        (["", "is red"], None),
        (["it is a product", "is more the"], None),
    ],
)
def test_captions_that_name_no_change(captions: list[str], found: str | None) -> None:
    assert says_nothing(captions) == found


def test_a_caption_that_says_nothing_is_told(root: Path, tmp_path: Path) -> None:
    change_record("captions/cap.dress.val.json", 0, captions=["is the same", "is red now"])(root)
    name, examples = only_warning(run(root, tmp_path / "build"))
    assert name == "captions_name_a_change"
    assert examples[0].startswith("captions/cap.dress.val.json record 0: “is the same” names none")


def test_a_pair_with_two_texts_is_told_and_kept(root: Path, tmp_path: Path) -> None:
    first = read_json(root / "captions/cap.dress.train.json")[0]
    append("captions/cap.dress.train.json", first | {"captions": ["is red now"]})(root)
    result = run(root, tmp_path / "build")
    name, examples = only_warning(result)
    assert name == "pairs_not_repeated"
    assert len(examples) == 2
    assert "dress-0 → dress-1 has “is red now”, and elsewhere “is green instead”" in examples[1]
    assert result.counts["triplets"] == 37


def test_a_text_that_tells_the_target_is_found() -> None:
    assert (
        reveals(["replace red with blue and get Blue  linen dress"], "blue linen dress") == "blue linen dress"
    )
    assert reveals(["is a blue linen dressing gown"], "blue linen dress") is None
    assert reveals(["is a blue dress"], "blue dress") is None
    assert reveals(["anything"], None) is None


def test_a_text_that_tells_the_target_is_told(root: Path, tmp_path: Path) -> None:
    (root / "attributes.csv").write_text("image_id,title\ndress-9,A green summer dress\n")
    change_record("captions/cap.dress.val.json", 0, captions=["I want A Green summer dress"])(root)
    name, examples = only_warning(run(root, tmp_path / "build"))
    assert name == "captions_do_not_tell_the_target"
    assert examples == [
        "captions/cap.dress.val.json record 0: “I want A Green summer dress” contains the target’s title "
        "“A green summer dress”"
    ]


def test_a_link_to_outside_is_told_and_one_inside_is_not(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere.jpg"
    (root / "images/dress-0.jpg").rename(outside)
    (root / "images/dress-0.jpg").symlink_to(outside)
    (root / "images/dress-1.jpg").rename(root / "images/other.jpg")
    (root / "images/dress-1.jpg").symlink_to("other.jpg")
    name, examples = only_warning(run(root, tmp_path / "build"))
    assert name == "image_inside_data_folder"
    assert examples == [f"images/dress-0.jpg: dress-0 is a link to {outside}"]


def test_a_linked_folder_is_the_users_own_layout(root: Path, tmp_path: Path) -> None:
    (root / "images").rename(tmp_path / "store")
    (root / "images").symlink_to(tmp_path / "store")
    assert not run(root, tmp_path / "build").warnings


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda file: file.write_bytes(b""), "is an empty file"),
        (lambda file: (file.unlink(), file.mkdir()), "is no regular file"),
        (lambda file: (file.unlink(), os.mkfifo(file)), "is no regular file"),
        (
            lambda file: (file.unlink(), file.symlink_to("nowhere.jpg")),
            "is a link to a file that does not exist",
        ),
        (lambda file: (file.unlink(), file.symlink_to(file)), "cannot be read"),
    ],
)
def test_a_file_that_is_no_picture_is_told(damage: Any, told: str, root: Path, tmp_path: Path) -> None:
    damage(root / "images/dress-0.jpg")
    with pytest.raises(ValidationFailed, match=rf"images/dress-0.jpg: {told}"):
        run(root, tmp_path / "build")


@pytest.mark.parametrize("path", ["../secret.jpg", "/etc/hostname", "images/../../secret.jpg"])
def test_a_path_that_leaves_the_data_folder_is_never_opened(path: str, root: Path, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "secret.jpg")
    table = build_tables(with_path(root, path), root, max_megapixels=1.0).images
    assert table.loc[0, "problem"] == "leads out of the data folder and is not read"
    assert table.loc[0, ["width", "height"]].tolist() == [0, 0]


def with_path(root: Path, path: str, categories: Sequence[str] = ("dress",)) -> RawData:
    raw = read("fashioniq", root, categories)
    raw.images.loc[0, "path"] = path
    return raw


def test_an_id_that_is_a_path_is_refused(root: Path, tmp_path: Path) -> None:
    change_record("captions/cap.dress.train.json", 0, candidate="../../secret")(root)
    with pytest.raises(ValueError, match=r"record 0: image id '../../secret' is a path"):
        run(root, tmp_path / "build")


def test_half_a_character_is_refused_with_its_file(root: Path, tmp_path: Path) -> None:
    records = read_json(root / "captions/cap.dress.val.json")
    write_json(
        root / "captions/cap.dress.val.json", [*records[:3], records[3] | {"captions": ["is \ud83d red"]}]
    )
    with pytest.raises(ValueError, match=r"cap\.dress\.val\.json: .*half a character"):
        run(root, tmp_path / "build")


def test_signs_of_all_kinds_come_through(root: Path, tmp_path: Path) -> None:
    captions = ["est plus coloré 👗, “très” chic", "ist länger\tund\u00a0roter\u200b"]
    change_record("captions/cap.dress.train.json", 0, captions=captions)(root)
    run(root, tmp_path / "build")
    assert load_tables(tmp_path / "build" / "tables").triplets.loc[0, "captions"] == captions


def test_nothing_is_found_where_nothing_is_missing(root: Path) -> None:
    assert find_lookalikes(read("fashioniq", root, ("dress",)).images, root) == {}
