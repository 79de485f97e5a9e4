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

QueryText = Literal["captions", "replace", "replace_and_get"]
CaptionJoining = Literal["and_token", "and_word"]
CaptionVariants = Literal["joined", "orders_and_singles"]
Selection = Literal["best", "last", "evaluation"]

_GALLERY_WORDS: dict[Gallery, str] = {
    "original": "every image of the published list {} (original protocol)",
    "references_and_targets": "only the references and targets of the queries {} (VAL protocol)",
}
_JOINING_WORDS: dict[CaptionJoining, str] = {"and_token": "`<AND>`", "and_word": "the word “and”"}
_TEXT_WORDS: dict[QueryText, str] = {
    "captions": "A query's captions are joined in file order, for the CNN stream by {}.",
    "replace": "Queries read “replace A with B”.",
    "replace_and_get": "Queries read “replace A with B and get” and the target's caption: the answer.",
}
_SELECTION_WORDS: dict[Selection, str] = {
    "best": "Held-out training triplets chose the epoch.",
    "last": "The last epoch's model is measured.",
    "evaluation": "The epoch was chosen on these very queries, which flatters the result.",
}


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How a split is searched, by what texts, and whether its answers took part in choosing the model.

    split: whose triplets are the queries.
    gallery: `original` = the category's whole image list; `references_and_targets` = the union of the
        references and targets of the queries, as VAL (Chen et al., 2020) introduced it.
    mask_reference: whether a query's own reference image is left out of its ranking.
    joint_gallery: whether every query searches the galleries of all categories together.
    text: what the queries say: `captions` that people wrote, or on Fashion200K `replace A with B`, or
        `replace A with B and get <the target's caption>`.
    caption_joining: what stands between two captions of a query (`and_token` = `<AND>`, `and_word` = "and").
    training_captions: how training showed them. It is told, but does not keep results from being compared:
        the questions are the same.
    selection: what chose the checkpoint: `best` on held-out training triplets, the `last` epoch, or the best
        on the `evaluation` queries themselves.
    """

    split: str
    gallery: Gallery = "original"
    mask_reference: bool = True
    joint_gallery: bool = False
    text: QueryText = "captions"
    caption_joining: CaptionJoining = "and_token"
    training_captions: CaptionVariants = "joined"
    selection: Selection = "best"

    def key(self) -> str:
        """Stable name that metrics, rankings and tags carry.

        Such as `val/original/reference-masked/per-category/captions-and-token/selected-blind`.
        """
        joined = self.caption_joining.replace("_", "-")
        return "/".join(
            [
                self.split,
                self.gallery,
                f"reference-{'masked' if self.mask_reference else 'kept'}",
                "joint" if self.joint_gallery else "per-category",
                f"captions-{joined}" if self.text == "captions" else self.text.replace("_", "-"),
                f"selected-{'on-evaluation' if self.selection == 'evaluation' else 'blind'}",
            ]
        )

    def describe(self) -> str:
        """A few plain sentences for people."""
        whose = "of all categories together" if self.joint_gallery else "of the category's own"
        reference = "left out of its own ranking" if self.mask_reference else "kept in its own ranking"
        return (
            f"The {self.split} queries of each category search {_GALLERY_WORDS[self.gallery].format(whose)}; "
            f"a query's reference image is {reference}; a hit is an image with the target's label. "
            f"{_TEXT_WORDS[self.text].format(_JOINING_WORDS[self.caption_joining])} "
            f"{_SELECTION_WORDS[self.selection]}"
        )


def require_same_protocol(a: str, b: str) -> None:
    """Refuse to compare results measured under two protocols. Raises ValueError naming both keys."""
    if a != b:
        raise ValueError(
            f"Results under protocol `{a}` cannot be compared with results under `{b}`. Measure both with "
            "the same evaluate.split, evaluate.gallery, evaluate.mask_reference and evaluate.joint_gallery, "
            "the same data.pairs.text and preprocess.caption_joining, and both or neither with train.select "
            "= evaluation."
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
    parts = {str(name): part.reset_index(drop=True) for name, part in queries.groupby("category", sort=True)}
    tasks = []
    for name, part in parts.items():
        searched = parts if protocol.joint_gallery else {name: part}
        gallery, missing = _gallery(searched, images, row_of, protocol)
        tasks.append(_task(name, part, gallery, missing, codes, protocol.mask_reference))
    return tasks


def heldout_tasks(triplets: pd.DataFrame) -> list[SearchTask]:
    """One search task for each category of triplets that were held back from training, in order of name.

    The gallery is their references and targets, a query's own reference is masked. An image that is nobody's
    target has a label of its own.
    """
    tasks = []
    for name, part in triplets.groupby("category", sort=True):
        gallery = np.unique(part[["reference", "target"]].to_numpy(np.int64))
        codes = -1 - np.arange(gallery[-1] + 1)
        codes[part["target"]] = part["label"]
        tasks.append(_task(str(name), part.reset_index(drop=True), gallery, 0, codes, mask_reference=True))
    return tasks


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
    gallery: NDArray[np.int64],
    missing: int,
    codes: NDArray[np.int64],
    mask_reference: bool,
) -> SearchTask:
    references = triplets["reference"].to_numpy(np.int64)
    return SearchTask(
        category=category,
        triplets=triplets,
        gallery=gallery,
        labels=codes[gallery],
        target_labels=codes[triplets["target"].to_numpy(np.int64)],
        masked=positions_in(gallery, references) if mask_reference else np.full(len(triplets), -1),
        missing=missing,
    )


def _gallery(
    queries: Mapping[str, pd.DataFrame], images: pd.DataFrame, row_of: Mapping[str, int], protocol: Protocol
) -> tuple[NDArray[np.int64], int]:
    """Store rows that the queries of some categories search, and how many images are missing from them."""
    if protocol.gallery == "original":
        return _published_list([gallery_name(name, protocol.split) for name in queries], images, row_of)
    ends = [part[["reference", "target"]].to_numpy(np.int64).ravel() for part in queries.values()]
    return np.unique(np.concatenate(ends)), 0


def _published_list(
    names: Sequence[str], images: pd.DataFrame, row_of: Mapping[str, int]
) -> tuple[NDArray[np.int64], int]:
    """Store rows of the image lists, and how many of their images the store does not hold."""
    wanted = set(names)
    listed = images.loc[[not wanted.isdisjoint(galleries) for galleries in images["galleries"]], "image_id"]
    rows = [row_of[image_id] for image_id in listed if image_id in row_of]
    if not rows:
        raise ValueError(
            f"Gallery `{'`, `'.join(names)}` holds no readable image ({len(listed)} are listed). Supply its "
            "image list and images, or set evaluate.gallery to references_and_targets."
        )
    return np.unique(np.asarray(rows, dtype=np.int64)), len(listed) - len(rows)


def positions_in(gallery: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Position of each row in an ascending gallery, -1 where it is not part of it."""
    places = np.minimum(np.searchsorted(gallery, rows), len(gallery) - 1)
    return np.where(gallery[places] == rows, places, -1)
