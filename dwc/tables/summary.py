"""How much of everything there is, and how much of it is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pandas as pd

from dwc.schema import SPLITS, gallery_name
from dwc.tables.build import Tables
from dwc.tables.findings import Check
from dwc.tables.leakage import Leakage


class CategoryCounts(NamedTuple):
    """Triplets and listed images of a category; the tuples go by split, in the order of SPLITS."""

    category: str
    triplets: tuple[int, ...]
    listed: tuple[int, ...]


class SplitCounts(NamedTuple):
    """Triplets and listed images of one category and split, and how many of them are missing.

    Missing are those that cannot be used because of an image; `triplets_left` are those used in the end.
    """

    category: str
    split: str
    triplets: int
    triplets_missing: int
    triplets_left: int
    listed: int
    listed_missing: int


def count_categories(tables: Tables) -> list[CategoryCounts]:
    """Count the triplets and the listed images of every category and split."""
    triplets = Counter(zip(tables.triplets["category"], tables.triplets["split"], strict=True))
    listed = _count_lists(tables.images["galleries"])
    return [
        CategoryCounts(
            category,
            tuple(triplets[category, split] for split in SPLITS),
            tuple(listed[gallery_name(category, split)] for split in SPLITS),
        )
        for category in sorted(set(tables.triplets["category"]))
    ]


def count_splits(tables: Tables, kept: Tables) -> list[SplitCounts]:
    """Count what `tables` hold and what is left in `kept`, for every category and split with triplets."""
    there, left = (_count_triplets(part.triplets) for part in (tables, kept))
    out, images = kept.left_out.triplets, kept.left_out.images
    missing = _count_triplets(out[out["cause"] == "missing_image"])
    listed = _count_lists(tables.images["galleries"])
    gone = _count_lists(images.loc[images["cause"] == "missing_image", "galleries"])
    return [
        SplitCounts(
            category,
            split,
            triplets=there[category, split],
            triplets_missing=missing[category, split],
            triplets_left=left[category, split],
            listed=listed[gallery_name(category, split)],
            listed_missing=gone[gallery_name(category, split)],
        )
        for category, split in sorted(there, key=lambda pair: (pair[0], SPLITS.index(pair[1])))
    ]


def count(tables: Tables, kept: Tables, checks: Sequence[Check], leakage: Leakage) -> dict[str, int]:
    """Return the figures for the metrics file; triplets, queries and galleries are what is left."""
    images, out = kept.left_out.images, kept.left_out.triplets
    figures = {
        "images": len(tables.images),
        "triplets": len(kept.triplets),
        "quarantined": len(out),
        "missing_images": int((images["cause"] == "missing_image").sum()),
        "shared_images": _shared(tables.images),
        "excluded_training_images": len(kept.left_out.no_longer_training),
        "excluded_training_triplets": int((out["cause"] == "evaluation_image").sum()),
    }
    for row in count_splits(tables, kept):
        figures |= _split_figures(row)
    for pair in leakage.shared:
        figures[f"shared_{pair.training}_{pair.evaluation}".replace(".", "_")] = pair.images
    for check in checks:
        if check.severity == "warning":
            figures[f"warning_{check.name}"] = check.count
    return figures


def _split_figures(row: SplitCounts) -> dict[str, int]:
    if row.split == "train":
        return {
            f"train_triplets_{row.category}": row.triplets_left,
            f"dropped_train_triplets_{row.category}": row.triplets_missing,
        }
    kind = "" if row.split == "val" else f"{row.split}_"
    return {
        f"{kind}queries_{row.category}": row.triplets_left,
        f"dropped_{kind}queries_{row.category}": row.triplets_missing,
        f"{kind}gallery_{row.category}": row.listed - row.listed_missing,
        f"dropped_{kind}gallery_{row.category}": row.listed_missing,
    }


def _shared(images: pd.DataFrame) -> int:
    lists = ({gallery.endswith(".train") for gallery in galleries} for galleries in images["galleries"])
    return sum(len(kinds) == 2 for kinds in lists)


def _count_triplets(triplets: pd.DataFrame) -> Counter[tuple[str, str]]:
    return Counter(zip(triplets["category"], triplets["split"], strict=True))


def _count_lists(galleries: Iterable[list[str]]) -> Counter[str]:
    return Counter(gallery for names in galleries for gallery in names)
