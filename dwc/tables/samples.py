"""A few triplets with their pictures: what no count shows, a look at them does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from dwc.decoding import open_picture
from dwc.html import picture
from dwc.tables.build import Tables
from dwc.tables.leakage import Leakage

PER_CATEGORY = 2
PAIRS = 6
SIDE = 160


class Sample(NamedTuple):
    """A triplet to show; the pictures are data URIs."""

    triplet_id: str
    reference: str
    captions: list[str]
    target: str


class Pair(NamedTuple):
    """An evaluation image and the training image that it nearly equals; the pictures are data URIs."""

    image_id: str
    lists: str
    picture: str
    training_id: str
    training_lists: str
    training_picture: str


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
            _thumbnail(root / paths[row["reference_id"]], max_megapixels),
            [caption for caption in row["captions"] if caption.strip()],
            _thumbnail(root / paths[row["target_id"]], max_megapixels),
        )
        for _, rows in shown.groupby("category")
        for row in _spread(rows)
    ]


def choose_pairs(leakage: Leakage, root: Path, *, max_megapixels: float) -> list[Pair]:
    """Take the first few near-duplicates to show."""
    return [
        Pair(
            row["image_id"],
            row["lists"],
            _thumbnail(root / row["path"], max_megapixels),
            row["training_id"],
            row["training_lists"],
            _thumbnail(root / row["training_path"], max_megapixels),
        )
        for row in leakage.near_duplicates.head(PAIRS).to_dict("records")
    ]


def _spread(rows: pd.DataFrame) -> Iterator[pd.Series]:
    for number in range(min(PER_CATEGORY, len(rows))):
        yield rows.iloc[number * len(rows) // PER_CATEGORY]


def _thumbnail(path: Path, max_megapixels: float) -> str:
    image = open_picture(path, max_megapixels=max_megapixels)
    image.thumbnail((SIDE, SIDE))
    return picture(image)
