"""Column names of the two tables that every layout is turned into, and of what goes with them.

An *image* is a picture of the catalogue; a *triplet* is (reference image, modification captions,
target image). Everything after `dwc.raw` speaks only of these tables.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

SPLITS = ("train", "val", "test")

IMAGE_COLUMNS: dict[str, str] = {
    "image_id": "unique name of the image",
    "path": "file, relative to the data root, with forward slashes",
    "galleries": "list of '<category>.<split>' lists the image belongs to",
    "label": "what counts as a hit: an image whose label equals the target's (usually the image_id)",
    "title": "the catalogue's own words for the image, or null",
}

TRIPLET_COLUMNS: dict[str, str] = {
    "triplet_id": "'<category>.<split>.<six digit record number>'",
    "category": "category whose gallery is searched",
    "split": "train, val or test",
    "reference_id": "image_id of the reference image",
    "target_id": "image_id of the target image, null where it is withheld (test)",
    "captions": "list of modification captions, one per annotator",
    "source": "annotation file the record stands in, relative to the data root",
    "record": "number of the record in that file, from 0",
}

DRAW = "draw"
"""One more column of the triplets where training pairs are drawn anew for every epoch: the number of the
drawing that a training triplet belongs to, from 0; of queries -1."""


def gallery_name(category: str, split: str) -> str:
    """Name of the image list of one category and split, as used in `galleries`."""
    return f"{category}.{split}"


def triplet_id(category: str, split: str, record: int) -> str:
    """Stable id of a triplet: its category, split and record number in the annotation file."""
    return f"{category}.{split}.{record:06d}"


@dataclass(frozen=True, kw_only=True)
class RawData:
    """A data set as its layout gives it, before any check.

    images: columns IMAGE_COLUMNS; triplets: columns TRIPLET_COLUMNS;
    relevant: for data sets that know it, triplet_id -> ids of all gallery images that satisfy the query;
    noise: for data sets that know it, triplet_id -> kind of noise of each caption;
    left_out: records that the layout itself cannot use, with a further column `reason`.
    """

    images: pd.DataFrame
    triplets: pd.DataFrame
    relevant: dict[str, list[str]] = field(default_factory=dict)
    noise: dict[str, list[str]] = field(default_factory=dict)
    left_out: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=[*TRIPLET_COLUMNS, "reason"]))
