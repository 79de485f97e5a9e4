"""The layout of one's own catalogue."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from dwc.raw.grouping import set_aside
from dwc.raw.layouts import read
from dwc.raw.table import TableColumns
from dwc.schema import RawData
from tests.layouts import save, write_csv, write_table

HEADING = ["reference", "target", "caption", "split", "category"]


def write(root: Path, *rows: list[str], heading: list[str] = HEADING) -> Path:
    """A catalogue of pictures a to f, in a folder of their own, and the triplets given."""
    for number, name in enumerate("abcdef"):
        save(root / f"images/shelf/{name}.png", "dress", number)
    write_csv(root / "triplets.csv", [heading, *rows])
    return root


def read_table(root: Path, *categories: str, **columns: object) -> RawData:
    return read("table", root, categories, columns=TableColumns(**columns))


def refused(root: Path, *parts: str, **columns: object) -> None:
    with pytest.raises(ValueError, match=re.escape(parts[0])) as error:
        read_table(root, **columns)
    for part in parts:
        assert part in str(error.value)


TWO = (["a", "b", "is red", "train", "hat"], ["c", "d", "is blue", "val", "hat"])


def test_a_table_becomes_two_tables(tmp_path: Path) -> None:
    raw = read_table(write(tmp_path, *TWO))
    assert raw.triplets.to_dict("records")[1] == {
        "triplet_id": "hat.val.000001",
        "category": "hat",
        "split": "val",
        "reference_id": "c",
        "target_id": "d",
        "captions": ["is blue"],
        "source": "triplets.csv",
        "record": 1,
    }
    image = raw.images.set_index("image_id").loc["d"]
    assert (
        image["path"] == "images/shelf/d.png" and image["galleries"] == ["hat.val"] and image["label"] == "d"
    )


@pytest.mark.parametrize("name", ["a", "a.png", "shelf/a", "shelf/a.png"])
def test_an_image_is_called_by_name_with_or_without_folder_and_suffix(tmp_path: Path, name: str) -> None:
    raw = read_table(write(tmp_path, [name, "b", "is red", "train", "hat"]))
    assert raw.images.set_index("image_id").loc[name, "path"] == "images/shelf/a.png"


def test_a_name_that_may_be_two_files_is_refused(tmp_path: Path) -> None:
    root = write(tmp_path, *TWO)
    save(root / "images/other/a.png", "dress", 9)
    refused(root, "image `a` may be other/a.png or shelf/a.png", "column `file`")
    assert len(read_table(write(root, ["shelf/a", "b", "is red", "train", "hat"])).triplets) == 1


def test_names_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    root = write(tmp_path / "data", ["../../secret.png", "b", "is red", "train", "hat"])
    save(tmp_path / "secret.png", "dress", 1)
    assert read_table(root).images["path"].isna().sum() == 1


def test_other_columns_by_name(tmp_path: Path) -> None:
    heading = ["from", "to", "said", "said too", "part", "kind"]
    root = write(
        tmp_path,
        ["a", "b", "is red", "", "train", "hat"],
        ["c", "d", "x", "y", "val", "hat"],
        heading=heading,
    )
    (root / "triplets.csv").rename(root / "pairs.csv")
    raw = read_table(
        root,
        triplets="pairs.csv",
        reference="from",
        target="to",
        captions=("said", "said too"),
        split="part",
        category="kind",
    )
    assert raw.triplets["captions"].tolist() == [["is red"], ["x", "y"]]
    assert raw.triplets["split"].tolist() == ["train", "val"]


def test_usual_captions_are_found_in_order(tmp_path: Path) -> None:
    heading = ["caption_2", "reference", "target", "caption"]
    raw = read_table(
        write(tmp_path, ["two", "a", "b", "one"], ["", "c", "d", ""], heading=heading), val_share=0.5
    )
    assert sorted(raw.triplets["captions"].tolist()) == [[""], ["one", "two"]]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_csv_and_parquet_are_the_same(tmp_path: Path, suffix: str) -> None:
    root = write_table(tmp_path)
    expected = read_table(root)
    if suffix == ".parquet":
        for name in ("triplets", "images"):
            pd.read_csv(root / f"{name}.csv").to_parquet(root / f"{name}.parquet")
            (root / f"{name}.csv").unlink()
    found = read_table(root)
    pd.testing.assert_frame_equal(found.images, expected.images)
    pd.testing.assert_frame_equal(
        found.triplets.drop(columns="source"), expected.triplets.drop(columns="source")
    )


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters_and_a_byte_order_mark(tmp_path: Path, delimiter: str) -> None:
    root = write(tmp_path)
    lines = [HEADING, ["a", "b", "is red, and long", "train", "hat"]]
    text = "\r\n".join(delimiter.join(line) for line in lines)
    (root / "triplets.csv").write_text("\ufeff" + text, encoding="utf-8", newline="")
    assert read_table(root).triplets["captions"].tolist() == [["is red, and long"]]


def test_the_catalogue_gives_titles_files_and_further_images(tmp_path: Path) -> None:
    root = write(tmp_path, ["SKU-1", "b", "is red", "train", "hat"], TWO[1])
    rows = [["SKU-1", "shelf/a.png", "Red hat", "one"], ["b", "", "", "one"], ["e", "", "", ""]]
    write_csv(root / "images.csv", [["image", "file", "title", "label"], *rows])
    images = read_table(root).images.set_index("image_id")
    assert images.loc["SKU-1", ["path", "title", "label"]].tolist() == [
        "images/shelf/a.png",
        "Red hat",
        "one",
    ]
    assert images.loc["b", "label"] == "one" and pd.isna(images.loc["b", "title"])
    assert images.loc["e", "galleries"] == ["hat.val"]  # nothing mentions it: it is searched
    assert "f" not in images.index


def test_splits_of_the_catalogue_hold(tmp_path: Path) -> None:
    root = write(tmp_path, *TWO)
    write_csv(root / "images.csv", [["image", "split"], ["e", "train"], ["f", "val"]])
    images = read_table(root).images.set_index("image_id")
    assert images.loc[["e", "f"], "galleries"].tolist() == [["hat.train"], ["hat.val"]]


def test_categories_can_be_chosen(tmp_path: Path) -> None:
    root = write(tmp_path, *TWO, ["e", "f", "x", "train", "coat"])
    assert set(read_table(root, "coat").triplets["category"]) == {"coat"}
    with pytest.raises(ValueError, match=r"triplets\.csv: no triplet of shoe"):
        read_table(root, "shoe")


def test_targets_may_be_withheld_in_the_test_split_alone(tmp_path: Path) -> None:
    raw = read_table(write(tmp_path, *TWO, ["e", "", "x", "test", "hat"]))
    assert pd.isna(raw.triplets["target_id"][2])
    refused(
        write(tmp_path, ["a", "", "x", "val", "hat"]),
        "triplets.csv record 0, column `target`: is empty. Fill it in",
    )


def test_without_a_split_whole_groups_are_set_aside(tmp_path: Path) -> None:
    raw = read_table(write_table(tmp_path))
    assert raw.triplets["split"].value_counts().to_dict() == {"train": 18, "val": 2}
    ends = raw.triplets.groupby("split")[["reference_id", "target_id"]].apply(
        lambda part: set(part.to_numpy().ravel())
    )
    assert not ends["train"] & ends["val"]
    assert read_table(tmp_path).triplets.equals(raw.triplets)


def test_a_chain_of_images_cannot_be_divided(tmp_path: Path) -> None:
    heading = HEADING[:3]
    chain = [[first, second, "x"] for first, second in zip("abcde", "bcdef", strict=True)]
    refused(
        write(tmp_path, *chain, heading=heading),
        "none can be made: triplets connect 5 of the 5",
        "column `split`",
    )


def test_groups_stay_where_they_are_when_others_come() -> None:
    pairs = [(f"a{n}", f"b{n}") for n in range(200)]
    before = set_aside(pairs[:100], 0.2, "")
    after = set_aside(pairs, 0.2, "")
    assert sum(before) == 20 and sum(after) == 40
    moved = sum(one and not other for one, other in zip(before, after[:100], strict=True))
    assert moved <= 8  # those nearest the border alone


@pytest.mark.parametrize(
    ("heading", "rows", "columns", "told"),
    [
        (["reference", "caption"], [["a", "x"]], {}, "no column `target`, only `reference`, `caption`"),
        (["reference", "target"], [["a", "b"]], {}, "no column `caption`"),
        (HEADING, TWO, {"captions": ("said",)}, "set data.table.captions"),
        (HEADING, TWO, {"split": "part"}, "no column `part`"),
        (HEADING, [["a", "b", "x", "valid", "hat"]], {}, "record 0, column `split`: 'valid' is none of"),
        (HEADING, [TWO[0], ["a", "b", "x"]], {}, "record 1 (line 3): too many or too few values"),
        (HEADING, [["a", "b", "x", "train", ""]], {}, "record 0, column `category`: is empty"),
        (HEADING, [], {}, "holds no record"),
        (HEADING, TWO, {"folder": "pictures"}, "pictures: no such folder. Put the pictures there"),
        (
            HEADING,
            TWO,
            {"triplets": "none.csv"},
            "none.csv: no such file. Add it, or correct data.table.triplets",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_place(
    tmp_path: Path, heading: list[str], rows: list[list[str]], columns: dict[str, object], told: str
) -> None:
    refused(write(tmp_path, *rows, heading=heading), told, **columns)


def test_a_parquet_file_that_is_none(tmp_path: Path) -> None:
    root = write(tmp_path)
    (root / "triplets.csv").rename(root / "triplets.parquet")
    refused(root, "triplets.parquet: no Parquet file that can be read")


def test_no_table_at_all(tmp_path: Path) -> None:
    refused(tmp_path, "triplets.csv: no such file", "data.table.triplets")
