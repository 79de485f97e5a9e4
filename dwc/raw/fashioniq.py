"""The FashionIQ folder layout.

    captions/cap.<category>.<split>.json        [{"candidate": id, "target": id, "captions": [text, text]}]
    image_splits/split.<category>.<split>.json  [id, ...]
    images/<id>.jpg                             or .jpeg, .png; the folder may be all_imgs or resized_image

The splits train and val must be there; test may be, and its records have no target. Three files are
optional: attributes.csv (image_id, title), relevant.json (triplet_id -> image ids that truly answer the
query) and noise.json (triplet_id -> {"captions": kind of noise of each caption}).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dwc.raw.annotations import file_stem, read_column, read_list, read_object, strings_field, text_field
from dwc.raw.pictures import by_stem
from dwc.raw.rows import image_table, triplet_table
from dwc.schema import SPLITS, RawData, gallery_name, triplet_id

REQUIRED_SPLITS = ("train", "val")
IMAGE_FOLDERS = ("images", "all_imgs", "resized_image")


def read(root: Path, categories: Sequence[str]) -> RawData:
    """Read the folder into the two tables.

    An image without a file has a null path, and ids that only triplets name are in no row: both are for
    the checks to report. Without `categories` all that have captions are read. Raises ValueError where a
    file is missing, or is not what the layout says.
    """
    categories = categories or _all_categories(root)
    pairs = [(category, split) for category in categories for split in _splits(root, category)]
    lists = {gallery_name(*pair): _read_list_of_images(root, *pair) for pair in pairs}
    triplets = [row for pair in pairs for row in _read_triplets(root, *pair)]
    return RawData(
        images=image_table(lists, _find_files(root), titles=_optional_titles(root)),
        triplets=triplet_table(triplets),
        relevant=_of_categories(_optional_relevant(root / "relevant.json"), categories),
        noise=_of_categories(_optional_noise(root / "noise.json"), categories),
    )


def captions_file(category: str, split: str) -> str:
    """Name of the annotation file, relative to the data root."""
    return f"captions/cap.{category}.{split}.json"


def images_file(category: str, split: str) -> str:
    """Name of the file that lists the images, relative to the data root."""
    return f"image_splits/split.{category}.{split}.json"


def _all_categories(root: Path) -> list[str]:
    found = sorted(path.name.split(".")[1] for path in root.glob(captions_file("?*", "train")))
    if not found:
        raise ValueError(
            f"{root / captions_file('<category>', 'train')}: no such file for any category. The FashionIQ "
            "layout has its triplets there. Correct data.root, or choose the data.layout that fits."
        )
    return found


def _splits(root: Path, category: str) -> Iterator[str]:
    for split in SPLITS:
        names = (captions_file(category, split), images_file(category, split))
        missing = [name for name in names if not (root / name).is_file()]
        if missing and (split in REQUIRED_SPLITS or len(missing) == 1):
            raise ValueError(
                f"{root / missing[0]}: no such file. The FashionIQ layout has {names[0]} and {names[1]} "
                f"(test is optional). Add the file, or correct data.root or data.categories."
            )
        if not missing:
            yield split


def _read_list_of_images(root: Path, category: str, split: str) -> list[str]:
    path = root / images_file(category, split)
    return [file_stem(name, f"{path} record {record}") for record, name in enumerate(read_list(path))]


def _read_triplets(root: Path, category: str, split: str) -> Iterator[dict[str, Any]]:
    source = captions_file(category, split)
    for number, record in enumerate(read_list(root / source)):
        where = f"{root / source} record {number}"
        if not isinstance(record, dict):
            raise ValueError(f"{where}: expected an object with candidate, target and captions.")
        withheld = split == "test" and record.get("target") is None
        yield {
            "triplet_id": triplet_id(category, split, number),
            "category": category,
            "split": split,
            "reference_id": file_stem(text_field(record, "candidate", where), where),
            "target_id": None if withheld else file_stem(text_field(record, "target", where), where),
            "captions": strings_field(record, "captions", where),
            "source": source,
            "record": number,
        }


def _find_files(root: Path) -> dict[str, str]:
    """Image id -> file, relative to the root; the folder is listed once, fast on network disks too."""
    folder = next((name for name in IMAGE_FOLDERS if (root / name).is_dir()), None)
    if folder is None:
        raise ValueError(
            f"{root / IMAGE_FOLDERS[0]}: no such folder. The images of the FashionIQ layout lie in it as "
            f"<id>.jpg or <id>.png; {' or '.join(IMAGE_FOLDERS[1:])} are accepted as names too."
        )
    with os.scandir(root / folder) as entries:
        names = [entry.name for entry in entries]
    return {stem: f"{folder}/{name}" for stem, name in by_stem(names)}


def _optional_titles(root: Path) -> dict[str, str]:
    path = root / "attributes.csv"
    return read_column(path, "image_id", "title") if path.is_file() else {}


def _optional_relevant(path: Path) -> dict[str, list[str]]:
    values = read_object(path) if path.is_file() else {}
    return {name: strings_field(values, name, str(path)) for name in values}


def _optional_noise(path: Path) -> dict[str, list[str]]:
    values = read_object(path) if path.is_file() else {}
    return {name: _kinds_of_noise(record, f"{path} triplet {name}") for name, record in values.items()}


def _of_categories(values: dict[str, list[str]], categories: Sequence[str]) -> dict[str, list[str]]:
    """Leave out what is said of categories that are not used."""
    return {name: value for name, value in values.items() if name.partition(".")[0] in categories}


def _kinds_of_noise(record: Any, where: str) -> list[str]:
    if not isinstance(record, dict):
        raise ValueError(f"{where}: expected an object with captions, the kind of noise of each.")
    return strings_field(record, "captions", where)
