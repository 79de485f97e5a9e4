"""How much of everything there is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from dwc.schema import SPLITS, gallery_name
from dwc.tables.build import Tables
from dwc.tables.findings import Check


class CategoryCounts(NamedTuple):
    """Triplets and listed images of a category; the tuples go by split, in the order of SPLITS."""

    category: str
    triplets: tuple[int, ...]
    listed: tuple[int, ...]


def count_categories(tables: Tables) -> list[CategoryCounts]:
    """Count the triplets and the listed images of every category and split."""
    triplets = Counter(zip(tables.triplets["category"], tables.triplets["split"], strict=True))
    listed = Counter(gallery for galleries in tables.images["galleries"] for gallery in galleries)
    return [
        CategoryCounts(
            category,
            tuple(triplets[category, split] for split in SPLITS),
            tuple(listed[gallery_name(category, split)] for split in SPLITS),
        )
        for category in sorted(set(tables.triplets["category"]))
    ]


def count(tables: Tables, checks: Sequence[Check], quarantined: pd.DataFrame) -> dict[str, int]:
    """Return the figures for the metrics file; triplets and queries are those that are left."""
    left_out = Counter(zip(quarantined["category"], quarantined["split"], strict=True))
    figures = {
        "images": len(tables.images),
        "triplets": len(tables.triplets) - len(quarantined),
        "quarantined": len(quarantined) + len(tables.left_out),
    }
    for category, triplets, listed in count_categories(tables):
        figures[f"train_triplets_{category}"] = triplets[0] - left_out[category, "train"]
        figures[f"queries_{category}"] = triplets[1] - left_out[category, "val"]
        figures[f"gallery_{category}"] = listed[1]
        if triplets[2]:
            figures[f"test_queries_{category}"] = triplets[2] - left_out[category, "test"]
            figures[f"test_gallery_{category}"] = listed[2]
    for check in checks:
        if check.severity == "warning":
            figures[f"warning_{check.name}"] = check.count
    return figures
