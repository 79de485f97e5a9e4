"""Which queries search which gallery, and what counts as a hit.

Published figures differ by several points between protocols, so every result carries its protocol's key, and
results under different keys are never compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dwc.schema import gallery_name

Gallery = Literal["original", "references_and_targets"]

_GALLERY_WORDS: dict[Gallery, str] = {
    "original": "every image of the category's published image list (original protocol)",
    "references_and_targets": "only the references and targets of the category's queries (VAL protocol)",
}


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How a split is searched.

    split: whose triplets are the queries.
    gallery: `original` = the category's whole image list; `references_and_targets` = the union of the
        references and targets of the queries, as VAL (Chen et al., 2020) introduced it.
    mask_reference: whether a query's own reference image is left out of its ranking.
    """

    split: str
    gallery: Gallery = "original"
    mask_reference: bool = True

    def key(self) -> str:
        """Stable name that metrics, rankings and tags carry, such as `val/original/reference-masked`."""
        return f"{self.split}/{self.gallery}/reference-{'masked' if self.mask_reference else 'kept'}"

    def describe(self) -> str:
        """One plain sentence for people."""
        reference = "left out of its own ranking" if self.mask_reference else "kept in its own ranking"
        return (
            f"The {self.split} queries of each category search {_GALLERY_WORDS[self.gallery]}; a query's "
            f"reference image is {reference}; a hit is an image with the target's label."
        )


def require_same_protocol(a: str, b: str) -> None:
    """Refuse to compare results measured under two protocols. Raises ValueError naming both keys."""
    if a != b:
        raise ValueError(
            f"Results under protocol `{a}` cannot be compared with results under `{b}`. "
            "Evaluate both under the same evaluate.split, evaluate.gallery and evaluate.mask_reference."
        )


@dataclass(frozen=True, kw_only=True)
class SearchTask:
    """The queries of one category and the gallery that they search.

    triplets: Q rows of the store's triplets. gallery: store rows [G], ascending.
    labels: label code of each gallery image [G]. target_labels: code of what each query looks for [Q].
    masked: gallery position of the image left out of each query's ranking [Q], -1 = none.
    missing: images of the published list that the store does not hold.
    """

    category: str
    triplets: pd.DataFrame
    gallery: NDArray[np.int64]
    labels: NDArray[np.int64]
    target_labels: NDArray[np.int64]
    masked: NDArray[np.int64]
    missing: int


def search_tasks(
    images: pd.DataFrame, triplets: pd.DataFrame, image_ids: Sequence[str], protocol: Protocol
) -> list[SearchTask]:
    """One search task for each category that has queries, in order of name.

    images: the images table; triplets: the store's triplets (reference and target are store rows, target -1
    where withheld); image_ids: the store's images, by row. Images that the store does not hold (unreadable
    files) are left out of the gallery and counted. Raises ValueError if no query of the split has a known
    target, or if a category's gallery is empty.
    """
    row_of = {image_id: row for row, image_id in enumerate(image_ids)}
    queries = triplets[(triplets["split"] == protocol.split) & (triplets["target"] >= 0)]
    if queries.empty:
        raise ValueError(
            f"The data set has no triplet of split `{protocol.split}` with a known target, so nothing can be "
            "measured. Choose another evaluate.split (test targets are often withheld)."
        )
    codes = _label_codes(images, row_of)
    return [
        _task(str(category), part.reset_index(drop=True), images, row_of, codes, protocol)
        for category, part in queries.groupby("category", sort=True)
    ]


def all_gallery_rows(tasks: Sequence[SearchTask]) -> NDArray[np.int64]:
    """Store rows that any task searches, ascending, each once: what has to be encoded."""
    return np.unique(np.concatenate([task.gallery for task in tasks]))


def all_triplets(tasks: Sequence[SearchTask]) -> pd.DataFrame:
    """The queries of all tasks, one after another: the order in which encoded queries are expected."""
    return pd.concat([task.triplets for task in tasks], ignore_index=True)


def _label_codes(images: pd.DataFrame, row_of: Mapping[str, int]) -> NDArray[np.int64]:
    """Integer code of each store row's label, equal exactly where the labels are equal."""
    stored = images[images["image_id"].isin(row_of.keys())]
    codes = np.empty(len(row_of), dtype=np.int64)
    codes[[row_of[image_id] for image_id in stored["image_id"]]] = pd.factorize(stored["label"])[0]
    return codes


def _task(
    category: str,
    triplets: pd.DataFrame,
    images: pd.DataFrame,
    row_of: Mapping[str, int],
    codes: NDArray[np.int64],
    protocol: Protocol,
) -> SearchTask:
    references = triplets["reference"].to_numpy(np.int64)
    targets = triplets["target"].to_numpy(np.int64)
    missing = 0
    if protocol.gallery == "original":
        gallery, missing = _published_list(category, protocol.split, images, row_of)
    else:
        gallery = np.unique(np.concatenate([references, targets]))
    return SearchTask(
        category=category,
        triplets=triplets,
        gallery=gallery,
        labels=codes[gallery],
        target_labels=codes[targets],
        masked=positions_in(gallery, references) if protocol.mask_reference else np.full(len(triplets), -1),
        missing=missing,
    )


def _published_list(
    category: str, split: str, images: pd.DataFrame, row_of: Mapping[str, int]
) -> tuple[NDArray[np.int64], int]:
    """Store rows of the category's image list, and how many of its images the store does not hold."""
    name = gallery_name(category, split)
    listed = images.loc[[name in names for names in images["galleries"]], "image_id"]
    rows = [row_of[image_id] for image_id in listed if image_id in row_of]
    if not rows:
        raise ValueError(
            f"Gallery `{name}` holds no readable image ({len(listed)} are listed). Supply its image list and "
            "images, or set evaluate.gallery to references_and_targets."
        )
    return np.unique(np.asarray(rows, dtype=np.int64)), len(listed) - len(rows)


def positions_in(gallery: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Position of each row in an ascending gallery, -1 where it is not part of it."""
    places = np.minimum(np.searchsorted(gallery, rows), len(gallery) - 1)
    return np.where(gallery[places] == rows, places, -1)
