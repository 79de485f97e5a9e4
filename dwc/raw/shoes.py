"""The Shoes folder layout: relative captions on the Attribute Discovery pictures.

    relative_captions_shoes.json   [{"ImageName": target, "ReferenceImageName": reference, "RelativeCaption": text}]
    train_im_names.txt             file names, one on a line
    eval_im_names.txt              likewise; two versions are in use, of 4,658 and of 4,621 names
    **/img_*.jpg                   the pictures, in any folders (published: attributedata/<class>/<n>/)

A record belongs to the split whose list has both of its ends. With the shorter evaluation list 29 records
have an end in no list: they are left out, by name. Each record is one triplet.
"""  # fmt: skip  # noqa: E501

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from dwc.raw.annotations import (
    file_stem,
    read_lines,
    read_list,
    require_files,
    require_one_category,
    text_field,
)
from dwc.raw.pictures import by_stem, find_pictures
from dwc.raw.rows import image_table, triplet_table
from dwc.schema import RawData, gallery_name, triplet_id

CATEGORY = "shoes"
CAPTIONS = "relative_captions_shoes.json"
LISTS = {"train": "train_im_names.txt", "val": "eval_im_names.txt"}
OUTSIDE = "an end is in neither list of images"
ACROSS = "one end is a training image, the other an evaluation image"


def read(root: Path, categories: Sequence[str]) -> RawData:
    """Read the folder into the two tables; image ids are file names without their suffix.

    Raises ValueError where a file is missing, or is not what the layout says.
    """
    require_one_category(categories, CATEGORY)
    names = (CAPTIONS, *LISTS.values())
    require_files(root, names, f"The Shoes layout has {', '.join(names)} and the pictures in any folders.")
    lists = {split: _read_names(root / file) for split, file in LISTS.items()}
    rows = list(_read_triplets(root, {split: set(ids) for split, ids in lists.items()}))
    return RawData(
        images=image_table(
            {gallery_name(CATEGORY, split): ids for split, ids in lists.items()}, _find_files(root)
        ),
        triplets=triplet_table(row for row in rows if row["reason"] is None),
        left_out=triplet_table((row for row in rows if row["reason"]), "reason"),
    )


def _read_names(path: Path) -> list[str]:
    return [_image_id(name, f"{path} record {number}") for number, name in enumerate(read_lines(path))]


def _image_id(name: str, where: str) -> str:
    return PurePosixPath(file_stem(name, where)).stem


def _read_triplets(root: Path, lists: Mapping[str, set[str]]) -> Iterator[dict[str, Any]]:
    for number, record in enumerate(read_list(root / CAPTIONS)):
        where = f"{root / CAPTIONS} record {number}"
        if not isinstance(record, dict):
            raise ValueError(f"{where}: expected an object with ImageName, ReferenceImageName, …")
        reference = _image_id(text_field(record, "ReferenceImageName", where), where)
        target = _image_id(text_field(record, "ImageName", where), where)
        split, reason = _split(reference, target, lists)
        yield {
            "triplet_id": triplet_id(CATEGORY, split, number),
            "category": CATEGORY,
            "split": split,
            "reference_id": reference,
            "target_id": target,
            "captions": [text_field(record, "RelativeCaption", where)],
            "source": CAPTIONS,
            "record": number,
            "reason": reason,
        }


def _split(reference: str, target: str, lists: Mapping[str, set[str]]) -> tuple[str, str | None]:
    """Split whose list has both ends; else one that has an end, or `val`, and why the record is unusable."""
    whole = [split for split, ids in lists.items() if reference in ids and target in ids]
    if whole:
        return whole[0], None
    partly = [split for split, ids in lists.items() if reference in ids or target in ids]
    return (partly or ["val"])[0], ACROSS if len(partly) > 1 else OUTSIDE


def _find_files(root: Path) -> dict[str, str]:
    """Image id -> file. Names are unique over all folders; of copies the first in order is taken."""
    found: dict[str, str] = {}
    for path in find_pictures(root):
        for stem, _ in by_stem([PurePosixPath(path).name]):
            found.setdefault(stem, path)
    return found
