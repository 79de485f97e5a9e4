"""The CSS layout, published and drawn."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dwc.raw.css import DRAWN, PUBLISHED
from dwc.raw.css_drawing import PAIRS, generate
from dwc.raw.drawn.scenes import (
    CELLS,
    COLOURS,
    SHAPES,
    Modification,
    Thing,
    draw_picture,
    things_of,
    told,
    with_thing,
)
from dwc.raw.layouts import read

RED, BLUE = Thing("red", "circle", "large"), Thing("blue", "triangle", "small")


def part(images: int, *mods: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"objects_img": [[]] * images, "mods": list(mods), **more}


def mod(sources: list[int], targets: list[int], text: str = "add red circle") -> dict[str, Any]:
    return {"from": sources, "to": targets, "to_str": text}


def write(root: Path, content: Any, *, published: bool = False) -> Path:
    (root / "images").mkdir(parents=True)
    if published:
        np.save(root / PUBLISHED, np.array(content, dtype=object), allow_pickle=True)
    else:
        (root / DRAWN).write_text(json.dumps(content))
    Image.new("RGB", (8, 8)).save(root / "images/css_train_000001.png")
    return root


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("css") / "data"
    generate(root, modifications=12, side=32)
    return root


@pytest.mark.parametrize("published", [True, False])
def test_every_pair_of_a_modification_is_a_triplet(tmp_path: Path, published: bool) -> None:
    content = {
        "train": part(
            3, mod([0, 1], [1, 2]), mod([2], [0], "remove it"), labels=np.array([5, 6, 5]).tolist()
        ),
        "test": part(2, mod([1], [0])),
    }
    raw = read("css", write(tmp_path / "data", content, published=published), ())
    rows = raw.triplets[["triplet_id", "reference_id", "target_id", "captions", "record"]]
    assert rows.to_numpy().tolist() == [
        ["css.train.000000", "css_train_000000", "css_train_000001", ["add red circle"], 0],
        ["css.train.000001", "css_train_000001", "css_train_000002", ["add red circle"], 0],
        ["css.train.000002", "css_train_000002", "css_train_000000", ["remove it"], 1],
        ["css.test.000000", "css_test_000001", "css_test_000000", ["add red circle"], 0],
    ]
    images = raw.images.set_index("image_id")
    assert images["label"].tolist() == ["train 5", "train 6", "train 5", "css_test_000000", "css_test_000001"]
    assert images["path"].dropna().to_dict() == {"css_train_000001": "images/css_train_000001.png"}


@pytest.mark.parametrize(
    ("content", "told_so"),
    [
        ({"train": part(1)}, f"{DRAWN}: no part `test`"),
        ({"train": {"mods": []}, "test": part(1)}, "train: no key `objects_img`"),
        ({"train": part(1, {"from": [0]}), "test": part(1)}, "train modification 0: expected an object"),
        ({"train": part(1, mod([0], [1])), "test": part(1)}, "train modification 0: image 1 of 1"),
        ({"train": part(1, mod([0, 0], [0])), "test": part(1)}, "from and to must be as long as each other"),
    ],
)
def test_wrong_content_is_named(tmp_path: Path, content: Any, told_so: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told_so)):
        read("css", write(tmp_path / "data", content), ())


def test_without_a_file_the_drawer_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no such file.*`dwc css`"):
        read("css", tmp_path, ())


def test_drawn_scenes_are_read_in_the_published_layout(drawn: Path) -> None:
    raw = read("css", drawn, ())
    assert raw.triplets["split"].value_counts().to_dict() == {"train": 12 * PAIRS, "test": 4 * PAIRS}
    assert raw.images["path"].notna().all() and raw.images["title"].notna().all()
    with Image.open(drawn / raw.images["path"][0]) as picture:
        assert picture.size == (32, 32)


def test_each_text_leads_from_its_reference_to_its_target(drawn: Path) -> None:
    """Follow every text on the lists of objects: exactly its cell changes, as it says."""
    content = json.loads((drawn / DRAWN).read_text())
    for split in content.values():
        scenes = [{tuple(o["pos"]): o for o in objects} for objects in split["objects_img"]]
        for modification in split["mods"]:
            kind = modification["to_str"].split()[0]
            for source, target in zip(modification["from"], modification["to"], strict=True):
                before, after = scenes[source], scenes[target]
                changed = [pos for pos in before | after if before.get(pos) != after.get(pos)]
                assert len(changed) == 1
                gone, come = before.get(changed[0]), after.get(changed[0])
                assert kind == ("add" if gone is None else "remove" if come is None else "make")
                named = come if kind == "add" else gone
                assert named["shape"] in modification["to_str"]
                assert any(cell in modification["to_str"] for cell in CELLS)


def test_pictures_of_one_label_show_one_scene(drawn: Path) -> None:
    for split in json.loads((drawn / DRAWN).read_text()).values():
        shown: dict[int, str] = {}
        for label, objects in zip(split["labels"], split["objects_img"], strict=True):
            assert shown.setdefault(label, json.dumps(objects)) == json.dumps(objects)
        assert len(set(shown.values())) == len(shown) < len(split["labels"])


def test_some_objects_are_only_seen_in_the_test(drawn: Path) -> None:
    train, test = set(things_of("train")), set(things_of("test"))
    assert len(train - test) == len(test - train) == len(train & test) == len(COLOURS) * len(SHAPES) // 3
    content = json.loads((drawn / DRAWN).read_text())
    for split, allowed in (("train", train), ("test", test)):
        seen = {(o["color"], o["shape"]) for objects in content[split]["objects_img"] for o in objects}
        assert seen <= allowed


def test_equal_arguments_give_equal_bytes(drawn: Path, tmp_path: Path) -> None:
    generate(tmp_path / "again", modifications=12, side=32)
    names = sorted(path.relative_to(drawn) for path in drawn.rglob("*") if path.is_file())
    assert names == sorted(
        p.relative_to(tmp_path / "again") for p in (tmp_path / "again").rglob("*") if p.is_file()
    )
    assert all((drawn / name).read_bytes() == (tmp_path / "again" / name).read_bytes() for name in names)


@pytest.mark.parametrize(
    ("modification", "text"),
    [
        (Modification(0, None, RED), "add red large circle to top-left"),
        (Modification(4, BLUE, None), "remove blue triangle from center"),
        (Modification(8, RED, RED._replace(size="small")), "make bottom-right circle small"),
        (Modification(3, RED, RED._replace(colour="cyan")), "make middle-left circle cyan"),
    ],
)
def test_modifications_are_said_as_published(modification: Modification, text: str) -> None:
    assert modification.text() == text


def test_an_object_lies_in_its_cell_in_its_colour() -> None:
    pixels = np.asarray(draw_picture({2: RED, 6: BLUE}, 60, np.random.default_rng(0))).astype(int)
    assert pixels[10, 50].tolist() == list(COLOURS["red"])
    assert pixels[50, 10].tolist() == list(COLOURS["blue"])
    assert (pixels[20:40, 20:40] == pixels[30, 30]).all()


def test_scenes_in_words() -> None:
    scene = with_thing({0: RED}, 4, BLUE)
    assert told(scene) == "large red circle at top-left, small blue triangle at center"
    assert told(with_thing({0: RED}, 0, None)) == "nothing"


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="not an empty folder"):
        generate(tmp_path)
