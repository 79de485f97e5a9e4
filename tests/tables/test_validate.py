"""The whole validation stage on a catalogue with one defect at a time."""

from __future__ import annotations

import io
import json
import shutil
import struct
import zlib
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from dwc.tables.build import load_tables
from dwc.tables.result import ValidationFailed
from tests.catalogue import read_json, write_catalogue, write_json
from tests.tables.run import Damage, append, change_record, run

REPORT_FILES = {
    "report.html",
    "results.json",
    "quarantine.csv",
    "left_out_images.csv",
    "near_duplicates.csv",
}


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_catalogue(tmp_path / "data")


@pytest.fixture
def build(tmp_path: Path) -> Path:
    return tmp_path / "build"


@pytest.fixture(scope="module")
def made_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What validating the whole catalogue leaves."""
    folder = tmp_path_factory.mktemp("before")
    run(write_catalogue(folder / "data"), folder / "build")
    return folder / "build"


def truncate(name: str) -> Damage:
    return lambda root: (root / name).write_bytes((root / name).read_bytes()[:-200]) and None


def png_header(width: int, height: int) -> bytes:
    """A PNG that declares a size and holds next to nothing: a decompression bomb."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def one_pixel() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (1, 1)).save(buffer, format="PNG")
    return buffer.getvalue()


def replace_file(name: str, data: bytes) -> Damage:
    return lambda root: (root / name).write_bytes(data) and None


def delete(name: str) -> Damage:
    return lambda root: (root / name).unlink()


def test_a_good_catalogue_makes_tables_and_report(root: Path, build: Path) -> None:
    seen: list[tuple[int, int]] = []
    result = run(root, build, progress=lambda done, total: seen.append((done, total)))
    assert not result.errors
    assert not result.warnings
    assert seen[-1] == (36, 36)
    assert sorted(path.name for path in build.iterdir()) == ["tables", "validation"]
    assert set(content(build / "validation")) == REPORT_FILES
    tables = load_tables(build / "tables")
    assert tables.images.loc[0, ["width", "height"]].tolist() == [64, 64]
    assert tables.images.loc[0, "galleries"] == ["dress.train"]
    assert tables.images["digest"].nunique() == 36
    assert tables.images["problem"].isna().all()
    assert tables.triplets.loc[0, "captions"] == ["is green instead", "has a square and more green"]
    assert tables.relevant["dress.val.000000"] == ["dress-9"]
    assert {key: result.counts[key] for key in ("images", "triplets", "quarantined")} == {
        "images": 36,
        "triplets": 36,
        "quarantined": 0,
    }
    assert result.counts["train_triplets_shirt"] == 8
    assert result.counts["queries_shirt"] == result.counts["gallery_shirt"] == 4


def test_the_same_data_give_the_same_bytes(root: Path, build: Path) -> None:
    run(root, build)
    first = content(build)
    run(root, build)
    assert content(build) == first


ERRORS: dict[str, tuple[Damage, list[str], str]] = {
    "truncated image": (
        truncate("images/dress-3.jpg"),
        ["image_decodes"],
        "images/dress-3.jpg: does not decode: image file is truncated",
    ),
    "truncated png": (
        truncate("images/dress-2.png"),
        ["image_decodes"],
        "images/dress-2.png: does not decode",
    ),
    "empty file": (
        replace_file("images/dress-3.jpg", b""),
        ["image_decodes"],
        "images/dress-3.jpg: is an empty",
    ),
    "text as image": (
        replace_file("images/dress-3.jpg", b"<html>404 not found</html>"),
        ["image_decodes"],
        "images/dress-3.jpg: is no picture that can be read",
    ),
    "missing image": (
        delete("images/dress-3.jpg"),
        ["image_file_exists", "triplet_images_have_files"],
        "captions/cap.dress.train.json record 2: target dress-3 is without a file",
    ),
    "huge declared size": (
        replace_file("images/dress-2.png", png_header(60000, 60000)),
        ["image_not_too_large"],
        "images/dress-2.png: 60000 × 60000 pixels are 3600.0 megapixels",
    ),
    "unknown reference": (
        change_record("captions/cap.dress.val.json", 2, candidate="stranger"),
        ["triplet_images_listed"],
        "captions/cap.dress.val.json record 2: reference stranger is not in any image list",
    ),
    "unknown ends": (
        change_record("captions/cap.dress.train.json", 4, candidate="one", target="two"),
        ["triplet_images_listed"],
        "captions/cap.dress.train.json record 4: reference one and target two are not in any image list",
    ),
    "duplicate id": (
        append("image_splits/split.dress.val.json", "dress-8"),
        ["image_listed_once"],
        "images/dress-8.png: dress-8 stands more than once in the list dress.val",
    ),
    "overlapping splits": (
        append("image_splits/split.dress.val.json", "dress-0"),
        ["splits_disjoint"],
        "images/dress-0.jpg: dress-0 is in dress.train and dress.val",
    ),
    "target outside the gallery": (
        change_record("captions/cap.dress.val.json", 1, target="dress-0"),
        ["gallery_complete"],
        "captions/cap.dress.val.json record 1: target dress-0 is not in the list dress.val",
    ),
    "no captions": (
        change_record("captions/cap.shirt.train.json", 0, captions=[]),
        ["captions_present", "side_files_match"],
        "captions/cap.shirt.train.json record 0: the list of captions is empty",
    ),
    "relevant image of another gallery": (
        lambda root: write_json(root / "relevant.json", {"dress.val.000000": ["shirt-9"]}),
        ["side_files_match"],
        "relevant.json: dress.val.000000: image shirt-9 is not in the gallery that is searched",
    ),
    "noise of an unknown triplet": (
        lambda root: write_json(root / "noise.json", {"dress.val.000099": {"captions": ["clean"]}}),
        ["side_files_match"],
        "noise.json: dress.val.000099: there is no such triplet",
    ),
}


@pytest.mark.parametrize("defect", ERRORS)
def test_an_error_stops_with_file_and_record_and_leaves_the_rest_alone(
    defect: str, root: Path, build: Path, made_before: Path
) -> None:
    damage, failing, told = ERRORS[defect]
    shutil.copytree(made_before, build)
    before = content(build)
    damage(root)
    with pytest.raises(ValidationFailed) as failure:
        run(root, build)
    result = failure.value.result
    assert [check.name for check in result.errors] == failing
    examples = [str(example) for check in result.errors for example in check.examples]
    assert any(example.startswith(told) for example in examples), examples
    message = str(failure.value)
    assert str(build / "rejected" / "report.html") in message
    assert result.errors[0].remedy in message
    assert {name: data for name, data in content(build).items() if not name.startswith("rejected/")} == before
    assert sorted(path.name for path in build.iterdir()) == ["rejected", "tables", "validation"]
    assert set(content(build / "rejected")) == REPORT_FILES


WARNINGS: dict[str, tuple[Damage, str, str]] = {
    "1x1 image": (
        replace_file("images/dress-2.png", one_pixel()),
        "image_not_too_small",
        "images/dress-2.png: 1 × 1 pixels",
    ),
    "one blank caption": (
        change_record("captions/cap.dress.val.json", 0, captions=[" ", "is red now"]),
        "captions_none_blank",
        "captions/cap.dress.val.json record 0: one is blank in “” and “is red now”",
    ),
    "short caption": (
        change_record("captions/cap.dress.val.json", 0, captions=["red", "is red now"]),
        "captions_long_enough",
        "captions/cap.dress.val.json record 0: “red” and “is red now”; words in the shortest: 1",
    ),
    "blank query": (
        change_record("captions/cap.dress.val.json", 0, captions=["", " "]),
        "captions_not_all_blank",
        "captions/cap.dress.val.json record 0: every caption is blank",
    ),
    "blank training triplet": (
        change_record("captions/cap.dress.train.json", 3, captions=["", ""]),
        "captions_not_all_blank",
        "captions/cap.dress.train.json record 3: every caption is blank",
    ),
    "reference is target": (
        change_record("captions/cap.dress.train.json", 3, target="dress-3"),
        "reference_is_not_target",
        "captions/cap.dress.train.json record 3: reference and target are both dress-3",
    ),
    "leak between categories": (
        append("image_splits/split.shirt.val.json", "toptee-0"),
        "no_leak_between_categories",
        "images/toptee-0.jpg: toptee-0 is in toptee.train and shirt.val",
    ),
    "training triplet with an evaluation image": (
        change_record("captions/cap.dress.train.json", 3, target="dress-8"),
        "training_images_in_training_list",
        "captions/cap.dress.train.json record 3: target dress-8 is not in the list dress.train",
    ),
    "same bytes in two splits": (
        lambda root: (
            (root / "images/dress-8.png").write_bytes((root / "images/shirt-0.jpg").read_bytes()) and None
        ),
        "image_bytes_in_one_split",
        "images/dress-8.png: dress-8 is, byte for byte, also shirt-0 of shirt.train",
    ),
    "repeated triplet": (
        lambda root: write_json(
            root / "captions/cap.dress.train.json", 2 * read_json(root / "captions/cap.dress.train.json")[:1]
        ),
        "triplets_not_repeated",
        "captions/cap.dress.train.json record 0: dress-0 → dress-1 stands more than once",
    ),
}


@pytest.mark.parametrize("defect", WARNINGS)
def test_a_warning_is_reported_and_the_tables_are_made(defect: str, tmp_path: Path, build: Path) -> None:
    root = write_catalogue(tmp_path / "data", side_files=False)
    damage, name, told = WARNINGS[defect]
    damage(root)
    result = run(root, build)
    assert [check.name for check in result.warnings] == [name]
    assert str(result.warnings[0].examples[0]).startswith(told)
    assert result.counts[f"warning_{name}"] == result.warnings[0].count > 0
    assert not (build / "rejected").exists()


def test_left_out_triplets_are_named_and_queries_without_text_stay(root: Path, build: Path) -> None:
    change_record("captions/cap.dress.train.json", 3, target="dress-3")(root)
    change_record("captions/cap.dress.train.json", 5, captions=["", " "])(root)
    change_record("captions/cap.dress.val.json", 0, captions=["", ""])(root)
    result = run(root, build)
    rows = pd.read_csv(build / "validation" / "quarantine.csv").set_index("triplet_id")
    assert rows["reason"].to_dict() == {
        "dress.train.000003": "reference and target are the same image",
        "dress.train.000005": "all captions are blank",
    }
    assert rows["source"].unique().tolist() == ["captions/cap.dress.train.json"]
    assert rows["record"].tolist() == [3, 5]
    tables = load_tables(build / "tables")
    assert len(tables.triplets) == 34
    assert "dress.val.000000" in set(tables.triplets["triplet_id"])
    assert "dress.train.000003" not in tables.noise
    assert result.counts["train_triplets_dress"] == 6
    assert result.counts["quarantined"] == 2


def test_all_checks_run_although_one_fails(root: Path, build: Path) -> None:
    truncate("images/dress-3.jpg")(root)
    change_record("captions/cap.dress.val.json", 2, candidate="stranger")(root)
    change_record("captions/cap.shirt.val.json", 0, captions=["red", "is red now"])(root)
    with pytest.raises(ValidationFailed) as failure:
        run(root, build)
    assert len(failure.value.result.errors) == 2
    assert len(failure.value.result.warnings) == 1
    results = json.loads((build / "rejected" / "results.json").read_text(encoding="utf-8"))
    assert results["success"] is False
    decodes = next(check for check in results["checks"] if check["name"] == "image_decodes")
    assert decodes["examples"][0]["file"] == "images/dress-3.jpg"
    assert (decodes["count"], decodes["total"], decodes["severity"]) == (1, 36, "error")


def test_a_failing_report_goes_when_the_data_are_put_right(root: Path, build: Path) -> None:
    good = (root / "images/dress-3.jpg").read_bytes()
    truncate("images/dress-3.jpg")(root)
    with pytest.raises(ValidationFailed):
        run(root, build)
    assert sorted(path.name for path in build.iterdir()) == ["rejected"]
    (root / "images/dress-3.jpg").write_bytes(good)
    run(root, build)
    assert sorted(path.name for path in build.iterdir()) == ["tables", "validation"]


def test_a_file_that_is_no_json_leaves_everything_alone(root: Path, build: Path) -> None:
    run(root, build)
    before = content(build)
    (root / "captions/cap.dress.val.json").write_text("[{", encoding="utf-8")
    with pytest.raises(ValueError, match=r"cap\.dress\.val\.json: line 1 column 3"):
        run(root, build)
    assert content(build) == before


def test_the_report_needs_nothing_but_itself_and_escapes_what_it_shows(root: Path, build: Path) -> None:
    change_record("captions/cap.dress.val.json", 0, captions=["<script>alert(1)</script>", "is red"])(root)
    run(root, build)
    page = (build / "validation" / "report.html").read_text(encoding="utf-8")
    assert "http" not in page
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert page.count("<svg") == 1  # words per caption; all images are of one size
