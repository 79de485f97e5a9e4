"""Your own catalogue: a table of triplets, a folder of pictures, and, if you like, a table of the images.

    triplets.csv (or .parquet)   reference, target, caption[, caption_2, …][, split][, category]
    images/…                     the pictures, with any folders below
    images.csv (or .parquet)     optional: image[, file][, title][, label][, category][, split]

Columns and files of other names are given by `data.table`. An image is called by its file's name, with or
without suffix or folders, or by any name that images.csv gives its file for. Images of the catalogue that no
triplet mentions are searched too. Where no split is given, whole groups of images that triplets connect are
set aside for evaluation, so that it shares none with training.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from dwc.raw.grouping import set_aside
from dwc.raw.pictures import by_stem, find_pictures
from dwc.raw.records import Records, read_records
from dwc.raw.rows import image_table, triplet_table
from dwc.schema import SPLITS, RawData, gallery_name, triplet_id

CATEGORY = "all"
SUFFIXES = (".csv", ".parquet")


@dataclass(frozen=True, kw_only=True)
class TableColumns:
    """Names of files and columns, as in `data.table`; None or empty = the usual name where there is one."""

    triplets: str | None = None
    images: str | None = None
    folder: str = "images"
    reference: str = "reference"
    target: str = "target"
    captions: tuple[str, ...] = ()
    split: str | None = None
    category: str | None = None
    image: str = "image"
    file: str | None = None
    title: str | None = None
    label: str | None = None
    val_share: float = 0.1


class CatalogueImage(NamedTuple):
    """A row of the table of images; None where it says nothing."""

    name: str
    file: str
    title: str | None
    label: str | None
    category: str | None
    split: str | None


def read(root: Path, categories: Sequence[str], *, columns: TableColumns) -> RawData:
    """Read the tables and find the pictures.

    Raises ValueError naming file, record, column and remedy.
    """
    triplets = _find_table(root, columns.triplets, "triplets")
    if triplets is None:
        raise ValueError(
            f"{root / 'triplets.csv'}: no such file. The layout `table` has its triplets there, or in "
            "triplets.parquet, or in the file that data.table.triplets names."
        )
    catalogue = _find_table(root, columns.images, "images")
    images = list(_images(catalogue, columns)) if catalogue else []
    rows = [row for row in _triplets(triplets, columns) if not categories or row["category"] in categories]
    if not rows:
        raise ValueError(f"{triplets.path}: no triplet of {', '.join(categories)}. Correct data.categories.")
    rows = _with_splits(rows, columns.val_share, str(triplets.path))
    lists = _lists(rows, images)
    return RawData(
        images=image_table(
            lists,
            _find_files(root, columns.folder, {name for names in lists.values() for name in names}, images),
            titles={image.name: image.title for image in images if image.title},
            labels={image.name: image.label for image in images if image.label},
        ),
        triplets=triplet_table(rows),
    )


def _find_table(root: Path, given: str | None, usual: str) -> Records | None:
    names = [given] if given else [f"{usual}{suffix}" for suffix in SUFFIXES]
    path = next((root / name for name in names if (root / name).is_file()), None)
    if path is None and given:
        raise ValueError(f"{root / given}: no such file. Add it, or correct data.table.{usual}.")
    return read_records(path) if path else None


def _triplets(records: Records, columns: TableColumns) -> Iterator[dict[str, Any]]:
    """Rows of the triplets; `split` is None where the table has no such column."""
    reference = records.required(columns.reference, "reference")
    target = records.required(columns.target, "target")
    captions = _caption_columns(records, columns.captions)
    category = records.optional(columns.category, "category", "category")
    split = records.optional(columns.split, "split", "split")
    for number, row in enumerate(records.rows):
        part = _split(records, number, split) if split else None
        withheld = part == "test" and not row[target]
        yield {
            "category": records.text(number, category) if category else CATEGORY,
            "split": part,
            "reference_id": records.text(number, reference),
            "target_id": None if withheld else records.text(number, target),
            "captions": [row[name] for name in captions if row[name]] or [""],
            "source": records.path.name,
            "record": number,
        }


def _caption_columns(records: Records, given: Sequence[str]) -> list[str]:
    if given:
        return [records.required(name, "captions") for name in given]
    usual = re.compile(r"captions?(_\d+)?")
    found = sorted(name for name in records.columns if usual.fullmatch(name))
    return found or [records.required("caption", "captions")]


def _split(records: Records, number: int, column: str) -> str:
    value = records.text(number, column)
    if value not in SPLITS:
        raise ValueError(f"{records.where(number, column)}: {value!r} is none of {', '.join(SPLITS)}.")
    return value


def _with_splits(rows: list[dict[str, Any]], share: float, where: str) -> list[dict[str, Any]]:
    """Rows with their ids and, where no split is given, one that shares no image between its parts."""
    splits = {row["record"]: row["split"] for row in rows}
    for category in dict.fromkeys(row["category"] for row in rows):
        part = [row for row in rows if row["category"] == category and row["split"] is None]
        aside = set_aside([(row["reference_id"], row["target_id"]) for row in part], share, where)
        splits |= {row["record"]: "val" if val else "train" for row, val in zip(part, aside, strict=True)}
    return [{**row, "split": (split := splits[row["record"]]), "triplet_id": _id(row, split)} for row in rows]


def _id(row: Mapping[str, Any], split: str) -> str:
    return triplet_id(row["category"], split, row["record"])


def _images(records: Records, columns: TableColumns) -> Iterator[CatalogueImage]:
    image = records.required(columns.image, "image")
    others = {
        key: records.optional(getattr(columns, key), key, key)
        for key in ("file", "title", "label", "category", "split")
    }
    for number, row in enumerate(records.rows):
        name = records.text(number, image)
        values = {key: row[column] if column else "" for key, column in others.items()}
        if column := others["split"]:
            values["split"] = _split(records, number, column) if row[column] else ""
        file = values.pop("file") or name
        yield CatalogueImage(name=name, file=file, **{key: value or None for key, value in values.items()})


def _lists(rows: Sequence[Mapping[str, Any]], images: Sequence[CatalogueImage]) -> dict[str, list[str]]:
    """Gallery -> image ids: what triplets mention, and the images of the catalogue.

    An image of the catalogue without a split that no triplet mentions is searched in every evaluation.
    """
    lists: dict[tuple[str, str], dict[str, None]] = {}
    for row in rows:
        ends = [row["reference_id"], row["target_id"]]
        lists.setdefault((row["category"], row["split"]), {}).update(dict.fromkeys(filter(None, ends)))
    mentioned = {name for names in lists.values() for name in names}
    for image in images:
        for (category, split), names in lists.items():
            if image.category in (category, None) and (
                split == image.split if image.split else split != "train" and image.name not in mentioned
            ):
                names[image.name] = None
    return {gallery_name(*key): list(names) for key, names in lists.items()}


def _find_files(
    root: Path, folder: str, names: Iterable[str], images: Sequence[CatalogueImage]
) -> dict[str, str]:
    """Image id -> file, relative to the root."""
    if not (root / folder).is_dir():
        raise ValueError(
            f"{root / folder}: no such folder. Put the pictures there, or set data.table.folder."
        )
    index = _index(find_pictures(root / folder))
    called = {image.name: image.file.removeprefix(f"{folder}/") for image in images}
    found = {}
    for name in names:
        paths = sorted(index.get(called.get(name, name), ()))
        if len(paths) > 1:
            raise ValueError(
                f"{root / folder}: image `{name}` may be {paths[0]} or {paths[1]}. Call it by its folder and "
                "name, in the triplets or in the column `file` of images.csv."
            )
        if paths:
            found[name] = f"{folder}/{paths[0]}"
    return found


def _index(paths: Sequence[str]) -> dict[str, set[str]]:
    """Every way to call a picture -> files that may be meant; whole paths mean one file alone."""
    index: dict[str, set[str]] = {}
    whole = dict(by_stem(paths))
    for path in whole.values():
        for short in (PurePosixPath(path).name, PurePosixPath(path).stem):
            index.setdefault(short, set()).add(path)
    index |= {stem: {path} for stem, path in whole.items()}
    return index | {path: {path} for path in paths}
