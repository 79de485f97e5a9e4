"""Every layout in small: a few pictures and texts, written as the published folders have them."""

from __future__ import annotations

import csv
from pathlib import Path

from dwc.raw.css_drawing import generate
from tests.catalogue import COLOURS, draw, write_catalogue, write_json

SIDE = 48


def write_fashioniq(root: Path) -> Path:
    return write_catalogue(root, categories=("dress", "shirt"), train_images=8, val_images=4, side=SIDE)


def write_shoes(root: Path) -> Path:
    """Twelve training and six evaluation pictures in the published folders, one triplet for each."""
    lists = {"train": range(12), "eval": range(12, 18)}
    records = []
    for split, numbers in lists.items():
        names = [shoe(number) for number in numbers]
        (root / f"{split}_im_names.txt").parent.mkdir(parents=True, exist_ok=True)
        (root / f"{split}_im_names.txt").write_text("\n".join(names) + "\n")
        for place, number in enumerate(numbers):
            save(root / f"attributedata/womens_clogs/{number % 2}/{shoe(number)}", "shoe", number)
            following = list(numbers)[(place + 1) % len(numbers)]
            records.append(shoe_record(number, following))
    write_json(root / "relative_captions_shoes.json", records)
    return root


def shoe(number: int) -> str:
    return f"img_womens_clogs_{number}.jpg"


def shoe_record(reference: int, target: int, caption: str | None = None) -> dict[str, str]:
    said = caption or f"is {COLOURS[target % len(COLOURS)]} instead"
    return {"ReferenceImageName": shoe(reference), "ImageName": shoe(target), "RelativeCaption": said}


F200K_CAPTIONS = {
    "train": ["red dress", "blue dress", "red skirt", "green dress", "blue skirt", "long plain coat"],
    "test": ["black dress", "white dress", "black skirt", "white dress", "brown dress"],
}


def write_fashion200k(root: Path) -> Path:
    """Eighteen training and ten test pictures; the coats of training have no partner."""
    copies = {"train": 3, "test": 2}
    for split, captions in F200K_CAPTIONS.items():
        lines = []
        for number, caption in enumerate(captions * copies[split]):
            path = f200k_path(split, number)
            save(root / path, "dress", number + (0 if split == "train" else 30))
            lines.append(f"{path}\t0.9{number}\t{caption}")
        (root / "labels").mkdir(exist_ok=True)
        (root / f"labels/dress_{split}_detect_all.txt").write_text("\n".join(lines) + "\n")
    queries = [(0, 1), (1, 0), (0, 2), (3, 4), (6, 0)]  # pictures 5 to 9 repeat the captions of 0 to 4
    lines = [" ".join(f200k_path("test", end) for end in pair) for pair in queries]
    (root / "test_queries.txt").write_text("\n".join(lines) + "\n")
    return root


def f200k_path(split: str, number: int) -> str:
    return f"women/dresses/{split}/{number}/{number}_0.jpeg"


def write_css(root: Path) -> Path:
    generate(root, modifications=6, side=32)
    return root


def write_table(root: Path) -> Path:
    """Ten groups of two pictures each, of one kind; no split is given."""
    rows = [["reference", "target", "caption", "caption_2"]]
    images = [["image", "title"]]
    for number in range(20):
        save(root / f"images/{number // 10}/item {number}.png", "shirt", number)
        other = number + 1 if number % 2 == 0 else number - 1
        rows.append([f"item {number}", f"item {other}", f"is {COLOURS[other % len(COLOURS)]}", ""])
        images.append([f"item {number}", f"{COLOURS[number % len(COLOURS)]} shirt"])
    for name, lines in (("triplets", rows), ("images", images)):
        write_csv(root / f"{name}.csv", lines)
    return root


def write_csv(path: Path, rows: list[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


def save(path: Path, kind: str, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draw(kind, number, SIDE).save(path)


WRITERS = {
    "fashioniq": write_fashioniq,
    "shoes": write_shoes,
    "fashion200k": write_fashion200k,
    "css": write_css,
    "table": write_table,
}
