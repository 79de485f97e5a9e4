"""A tiny valid catalogue in the FashionIQ layout, written in a blink, for tests to use or to break."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

CATEGORIES = ("dress", "shirt", "toptee")
COLOURS = ("red", "green", "blue", "orange", "purple", "brown", "black", "white")
SHAPES = ("square", "circle", "stripe")


def write_catalogue(
    root: Path,
    *,
    categories: Sequence[str] = CATEGORIES,
    train_images: int = 8,
    val_images: int = 4,
    side: int = 64,
    side_files: bool = True,
) -> Path:
    """Write images <category>-<number> of `side` pixels, all different; returns `root`.

    Each image is the reference of one triplet, with the next one of its split as the target. Every third
    file is a PNG. With `side_files`, attributes.csv, relevant.json and noise.json are written too.
    """
    for folder in ("captions", "image_splits", "images"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    titles: list[str] = ["image_id,title"]
    relevant: dict[str, list[str]] = {}
    noise: dict[str, Any] = {}
    for category in categories:
        numbers = {"train": range(train_images), "val": range(train_images, train_images + val_images)}
        for split, members in numbers.items():
            ids = [f"{category}-{number}" for number in members]
            records = [_record(category, list(members), place) for place in range(len(ids))]
            write_json(root / f"image_splits/split.{category}.{split}.json", ids)
            write_json(root / f"captions/cap.{category}.{split}.json", records)
            for number, name in zip(members, ids, strict=True):
                suffix = "png" if number % 3 == 2 else "jpg"
                draw(category, number, side).save(root / f"images/{name}.{suffix}")
                titles.append(f'{name},"{_colour(number)} {category}, with a {_shape(category, number)}"')
            for place, record in enumerate(records):
                noise[f"{category}.{split}.{place:06d}"] = {"captions": ["clean", "clean"]}
                if split == "val":
                    relevant[f"{category}.{split}.{place:06d}"] = [record["target"]]
    if side_files:
        (root / "attributes.csv").write_text("\n".join(titles) + "\n", encoding="utf-8")
        write_json(root / "relevant.json", relevant)
        write_json(root / "noise.json", noise)
    return root


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1), encoding="utf-8")


def draw(category: str, number: int, side: int) -> Image.Image:
    """A coloured shape on grey; the grey and the shape's size make every image's bytes its own."""
    picture = Image.new("RGB", (side, side), (150 + 3 * number, 120 + 3 * sum(category.encode()) % 120, 160))
    inset = side // 8 + number % (side // 4)
    box = (inset, inset, side - inset, side - inset)
    pen = ImageDraw.Draw(picture)
    if _shape(category, number) == "circle":
        pen.ellipse(box, fill=_colour(number))
    elif _shape(category, number) == "square":
        pen.rectangle(box, fill=_colour(number))
    else:
        pen.rectangle((0, side // 3, side, side // 2 + number % 5), fill=_colour(number))
    return picture


def _record(category: str, members: list[int], place: int) -> dict[str, Any]:
    reference, target = members[place], members[(place + 1) % len(members)]
    captions = [
        f"is {_colour(target)} instead",
        f"has a {_shape(category, target)} and more {_colour(target)}",
    ]
    return {"candidate": f"{category}-{reference}", "target": f"{category}-{target}", "captions": captions}


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def _shape(category: str, number: int) -> str:
    return SHAPES[(number + len(category)) % len(SHAPES)]
