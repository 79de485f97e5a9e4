"""The CSS folder layout: scenes of coloured shapes on a grid of three by three.

    css_toy_dataset_novel2_small.dup.npy   as published by the authors of TIRG (a pickle inside), or
    css.json                               the same content, as `dwc css` writes it
    images/css_<train|test>_<number>.png   six digits

Both files hold {split: {"objects_img": one list of objects per image, "mods": [{"from": [image number, …],
"to": [image number, …], "to_str": text}, …], "labels": one per image, where images show the same scene}};
drawn scenes have "titles" besides, one per image. A modification stands for several pairs; each pair is one
triplet, its record the modification's number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dwc.raw.annotations import read_object, require_one_category
from dwc.raw.pictures import find_pictures
from dwc.raw.rows import image_table, triplet_table
from dwc.raw.unpickle import plain, read_pickled_npy
from dwc.schema import RawData, gallery_name, triplet_id

CATEGORY = "css"
SPLITS = ("train", "test")
PUBLISHED = "css_toy_dataset_novel2_small.dup.npy"
DRAWN = "css.json"


def read(root: Path, categories: Sequence[str]) -> RawData:
    """Read the folder into the two tables.

    Raises ValueError where a file is missing, is not what the layout says, or holds more than plain data.
    """
    require_one_category(categories, CATEGORY)
    path = next((root / name for name in (PUBLISHED, DRAWN) if (root / name).is_file()), None)
    if path is None:
        raise ValueError(
            f"{root / PUBLISHED}: no such file. The CSS layout has it, or {DRAWN}, and images/. Fetch it, "
            "draw scenes with `dwc css`, or correct data.root."
        )
    content = read_pickled_npy(path) if path.name == PUBLISHED else read_object(path)
    parts = {split: _part(content, split, path) for split in SPLITS}
    files = {Path(name).stem: name for name in find_pictures(root) if name.startswith("images/")}
    return RawData(
        images=image_table(
            {gallery_name(CATEGORY, split): _image_ids(split, part) for split, part in parts.items()},
            files,
            labels=_by_image(parts, "labels", "{split} {value}"),
            titles=_by_image(parts, "titles", "{value}"),
        ),
        triplets=triplet_table(row for split in SPLITS for row in _triplets(split, parts[split], path)),
    )


def image_id(split: str, number: int) -> str:
    """Name of an image, which is also its file's."""
    return f"css_{split}_{number:06d}"


def _part(content: Any, split: str, path: Path) -> Mapping[str, Any]:
    part = plain(content.get(split)) if isinstance(content, Mapping) else None
    if not isinstance(part, Mapping):
        raise ValueError(f"{path}: no part `{split}`. The file has one for each of {', '.join(SPLITS)}.")
    for key in ("objects_img", "mods"):
        if key not in part:
            raise ValueError(f"{path} {split}: no key `{key}`. Fetch the file again.")
    return part


def _images(part: Mapping[str, Any]) -> int:
    return len(plain(part["objects_img"]))


def _image_ids(split: str, part: Mapping[str, Any]) -> list[str]:
    return [image_id(split, number) for number in range(_images(part))]


def _by_image(parts: Mapping[str, Mapping[str, Any]], key: str, form: str) -> dict[str, str]:
    """Image id -> what an optional list of the parts says of it, in the form given."""
    return {
        image_id(split, number): form.format(split=split, value=value)
        for split, part in parts.items()
        for number, value in enumerate(plain(part.get(key, [])))
    }


def _triplets(split: str, part: Mapping[str, Any], path: Path) -> Iterator[dict[str, Any]]:
    count = 0
    for record, modification in enumerate(plain(part["mods"])):
        where = f"{path} {split} modification {record}"
        for reference, target, text in _pairs(modification, _images(part), where):
            yield {
                "triplet_id": triplet_id(CATEGORY, split, count),
                "category": CATEGORY,
                "split": split,
                "reference_id": image_id(split, reference),
                "target_id": image_id(split, target),
                "captions": [text],
                "source": path.name,
                "record": record,
            }
            count += 1


def _pairs(modification: Any, images: int, where: str) -> Iterator[tuple[int, int, str]]:
    if not isinstance(modification, Mapping) or {"from", "to", "to_str"} - modification.keys():
        raise ValueError(f"{where}: expected an object with from, to and to_str. Fetch the file again.")
    ends = [list(plain(modification[end])) for end in ("from", "to")]
    text = plain(modification["to_str"])
    if len(ends[0]) != len(ends[1]) or not isinstance(text, str):
        raise ValueError(f"{where}: from and to must be as long as each other, and to_str a text.")
    for reference, target in zip(*ends, strict=True):
        for number in (reference, target):
            if not 0 <= int(number) < images:
                raise ValueError(f"{where}: image {number} of {images}. Fetch the file again.")
        yield int(reference), int(target), text
