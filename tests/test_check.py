"""`dwc check`: one screen, whatever the folder holds, and nothing written."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from dwc.cli import app
from dwc.config import parse_params
from dwc.raw.detect import detect
from tests.catalogue import read_json, write_catalogue, write_json

SCREEN = 60


def check(root: Path) -> tuple[int, str]:
    before = sorted(root.parent.rglob("*"))
    result = CliRunner().invoke(app, ["check", str(root)])
    assert "Traceback" not in result.output
    assert sorted(root.parent.rglob("*")) == before
    return result.exit_code, result.output


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_catalogue(tmp_path / "My Shop", side_files=False)


def parameters(output: str) -> dict[str, object]:
    lines = yaml.safe_load(output.split("params.yaml:")[1])
    parse_params(lines, "printed")
    return lines


def test_good_data_are_usable_with_the_lines_it_prints(root: Path) -> None:
    code, output = check(root)
    assert code == 0
    assert "✓ Usable." in output
    assert parameters(output) == {
        "data": {
            "name": "my-shop",
            "layout": "fashioniq",
            "root": str(root),
            "categories": ["dress", "shirt", "toptee"],
        }
    }


def test_missing_images_are_no_obstacle_but_named(root: Path) -> None:
    (root / "images/dress-3.jpg").unlink()
    code, output = check(root)
    assert code == 0
    assert "✓ Usable without 1 missing image: 34 triplets are left" in output
    assert "image list dress.train: dress-3 has no file" in output
    assert parameters(output)["validate"] == {"missing_images": "drop"}


def test_errors_come_first_with_file_record_and_remedy_and_fit_the_screen(root: Path) -> None:
    for category in ("dress", "shirt"):
        name = f"captions/cap.{category}.val.json"
        records = read_json(root / name)
        for record in records:
            record["target"] = f"{category}-0"
        write_json(root / name, [*records, records[0] | {"captions": []}])
        lists = root / f"image_splits/split.{category}.val.json"
        write_json(lists, [*read_json(lists), f"{category}-9", f"{category}-1"])
    (root / "images/toptee-3.jpg").write_bytes(b"")
    code, output = check(root)
    assert code == 1
    lines = output.splitlines()
    assert len(lines) <= SCREEN
    assert lines.index(next(line for line in lines if "✗ Not usable yet" in line)) < 14
    assert "captions/cap.dress.val.json record 0: target dress-0 is not in the list dress.val" in output
    assert "→ Add the image to that list, or remove the record" in output
    assert "Once mended, lines for params.yaml:" in output


def test_annotations_without_pictures_say_how_to_fetch_them(root: Path) -> None:
    for file in (root / "images").iterdir():
        file.unlink()
    (root / "images").rmdir()
    code, output = check(root)
    assert code == 1
    assert "dwc fetch-images" in output


def test_a_file_that_is_no_json_is_one_line(root: Path) -> None:
    (root / "captions/cap.dress.val.json").write_text("[{")
    code, output = check(root)
    assert code == 1
    assert "cap.dress.val.json: line 1 column 3" in output


def test_an_unknown_folder_says_what_it_looked_for_and_where_it_may_be(root: Path, tmp_path: Path) -> None:
    code, output = check(tmp_path)
    assert code == 1
    assert f"Is {root} meant?" in output
    assert "relative_captions_shoes.json" in output
    assert check(tmp_path / "nothing")[0] == 1


@pytest.mark.parametrize(
    ("file", "layout", "categories"),
    [
        ("relative_captions_shoes.json", "shoes", ()),
        ("labels/dress_train_detect_all.txt", "fashion200k", ("dress",)),
        ("css_toy_dataset_novel2_small.dup.npy", "css", ()),
        ("css.json", "css", ()),
        ("triplets.parquet", "table", ()),
        ("captions/cap.coat.train.json", "fashioniq", ("coat",)),
    ],
)
def test_every_layout_is_known_by_a_file(
    file: str, layout: str, categories: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("")
    assert detect(tmp_path) == (layout, categories)
