"""A few triplets with their pictures: what no count shows, a look at them does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from PIL import Image

from dwc.html import picture
from dwc.tables.build import Tables

PER_CATEGORY = 2
SIDE = 160


class Sample(NamedTuple):
    """A triplet to show; the pictures are data URIs."""

    triplet_id: str
    reference: str
    captions: list[str]
    target: str


def choose_samples(tables: Tables, root: Path, *, max_megapixels: float) -> list[Sample]:
    """Take triplets with readable pictures, spread over each category's training split; always the same."""
    pixels = tables.images["width"] * tables.images["height"]
    sound = tables.images[tables.images["problem"].isna() & pixels.between(1, max_megapixels * 1e6)]
    paths: dict[str, str] = dict(zip(sound["image_id"], sound["path"], strict=True))
    triplets = tables.triplets[tables.triplets["split"] == "train"]
    shown = triplets[triplets["reference_id"].isin(paths.keys()) & triplets["target_id"].isin(paths.keys())]
    return [
        Sample(
            row["triplet_id"],
            _thumbnail(root / paths[row["reference_id"]]),
            [caption for caption in row["captions"] if caption.strip()],
            _thumbnail(root / paths[row["target_id"]]),
        )
        for _, rows in shown.groupby("category")
        for row in _spread(rows)
    ]


def _spread(rows: pd.DataFrame) -> Iterator[pd.Series]:
    for number in range(min(PER_CATEGORY, len(rows))):
        yield rows.iloc[number * len(rows) // PER_CATEGORY]


def _thumbnail(path: Path) -> str:
    with Image.open(path) as image:
        image.thumbnail((SIDE, SIDE))
        return picture(image)
