"""The Fashion200K folder layout.

    labels/<category>_<train|test>_detect_all.txt   lines of path, detection score and caption, tab-separated
    test_queries.txt                                lines of reference path and target path (published by TIRG)
    women/…/<n>_<view>.jpeg                         the pictures; they may also lie below images/

Images with one caption count as one answer (their label is the caption). The training pairs are drawn: one
for each image that has a partner, `draws` times over, in a table that is checked and versioned like any
other. All categories are searched together, as published.
"""  # fmt: skip  # noqa: E501

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from dwc.raw.annotations import read_lines, require_files
from dwc.raw.pairs import PairText, draw_pairs, modification
from dwc.raw.pictures import find_pictures, require_inside
from dwc.raw.rows import image_table, triplet_table
from dwc.schema import DRAW, RawData, gallery_name, triplet_id

CATEGORY = "fashion200k"
QUERIES = "test_queries.txt"
SPLITS = ("train", "test")
PICTURE_FOLDERS = ("", "images/")
UNLABELLED = "an image is in no label file of the test split"
_LABEL_FILE = re.compile(r"(\w+)_(train|test)_detect_all\.txt")
_LAYOUT = (
    "The Fashion200K layout has labels/<category>_<train|test>_detect_all.txt, test_queries.txt (from the "
    "authors of TIRG) and the pictures in women/."
)


@dataclass(frozen=True, kw_only=True)
class PairSettings:
    """Form of the texts, how many times training pairs are drawn, and the seed of the drawing."""

    text: PairText = "replace"
    draws: int = 5
    seed: int = 1


class Labelled(NamedTuple):
    """A line of a label file."""

    caption: str
    source: str
    record: int


def read(root: Path, categories: Sequence[str], *, pairs: PairSettings) -> RawData:
    """Read the folder into the two tables; image ids are the paths in the label files.

    `categories` choose label files, such as dress. An image that is labelled twice keeps its first caption.
    Raises ValueError where a file is missing, or is not what the layout says.
    """
    require_files(root, [QUERIES], _LAYOUT)
    labels = {split: _read_labels(root, categories, split) for split in SPLITS}
    captions = {name: found.caption for part in labels.values() for name, found in part.items()}
    queries = list(_read_queries(root, labels["test"], pairs.text, bool(categories)))
    training = _drawn(labels["train"], pairs)
    return RawData(
        images=image_table(
            {gallery_name(CATEGORY, split): part for split, part in labels.items()},
            _find_files(root),
            titles=captions,
            labels=captions,
        ),
        triplets=triplet_table([*training, *(row for row in queries if row["reason"] is None)], DRAW),
        left_out=triplet_table((row for row in queries if row["reason"]), "reason"),
    )


def _read_labels(root: Path, categories: Sequence[str], split: str) -> dict[str, Labelled]:
    """Path -> caption, and where it stands."""
    found: dict[str, Labelled] = {}
    for source in _label_files(root, categories, split):
        for record, line in enumerate(read_lines(root / source)):
            where = f"{root / source} record {record}"
            columns = line.split("\t")
            if len(columns) != 3 or not columns[2].strip():
                raise ValueError(
                    f"{where}: expected path, score and caption with tabs between them. Fetch the file again."
                )
            path = require_inside(columns[0], where)
            found.setdefault(path, Labelled(" ".join(columns[2].split()), source, record))
    return found


def _label_files(root: Path, categories: Sequence[str], split: str) -> list[str]:
    matches = (_LABEL_FILE.fullmatch(path.name) for path in sorted(root.glob("labels/*.txt")))
    names = {match[1]: f"labels/{match[0]}" for match in matches if match and match[2] == split}
    missing = [category for category in categories or ["<category>"] if category not in names]
    if missing if categories else not names:
        raise ValueError(
            f"{root}/labels/{missing[0]}_{split}_detect_all.txt: no such file. {_LAYOUT} "
            "Add it, or correct data.root or data.categories."
        )
    return [name for category, name in names.items() if category in categories or not categories]


def _read_queries(
    root: Path, labels: Mapping[str, Labelled], form: PairText, some_categories: bool
) -> Iterator[dict[str, Any]]:
    """Rows of the test triplets; queries of categories that are not used are passed over."""
    for record, line in enumerate(read_lines(root / QUERIES)):
        ends = line.split()
        if len(ends) != 2:
            raise ValueError(
                f"{root / QUERIES} record {record}: expected two paths, not {len(ends)}. Fetch it again."
            )
        known = all(end in labels for end in ends)
        if known or not some_categories:
            text = _modification(labels[ends[0]], labels[ends[1]], form) if known else None
            yield {
                "triplet_id": triplet_id(CATEGORY, "test", record),
                "category": CATEGORY,
                "split": "test",
                "reference_id": ends[0],
                "target_id": ends[1],
                "captions": [text] if text else [],
                "source": QUERIES,
                "record": record,
                DRAW: -1,
                "reason": None if known else UNLABELLED,
            }


def _drawn(labels: Mapping[str, Labelled], pairs: PairSettings) -> Iterator[dict[str, Any]]:
    """Rows of the training triplets; `record` is the reference's line in its label file."""
    names, found = list(labels), list(labels.values())
    captions = [label.caption for label in found]
    number = 0
    for draw in range(pairs.draws):
        for pair in draw_pairs(captions, seed=pairs.seed, draw=draw):
            reference, target = found[pair.reference], found[pair.target]
            yield {
                "triplet_id": triplet_id(CATEGORY, "train", number),
                "category": CATEGORY,
                "split": "train",
                "reference_id": names[pair.reference],
                "target_id": names[pair.target],
                "captions": [_modification(reference, target, pairs.text)],
                "source": reference.source,
                "record": reference.record,
                DRAW: draw,
            }
            number += 1


def _modification(reference: Labelled, target: Labelled, form: PairText) -> str:
    return modification(reference.caption, target.caption, form)


def _find_files(root: Path) -> dict[str, str]:
    """Path in the label files -> file."""
    found: dict[str, str] = {}
    for path in find_pictures(root):
        for folder in PICTURE_FOLDERS:
            if path.startswith(folder):
                found.setdefault(path.removeprefix(folder), path)
    return found
