"""Pictures that stand on both sides: in what is learnt from, and in what is measured on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from dwc.tables.availability import serves_evaluation
from dwc.tables.fingerprint import Fingerprints, nearest_duplicates


class SharedImages(NamedTuple):
    """How many images stand in a training list and in an evaluation list."""

    training: str
    evaluation: str
    images: int


@dataclass(frozen=True, kw_only=True)
class Leakage:
    """What training and evaluation share.

    shared: the pairs of lists with an image in common, the most first; near_duplicates: evaluation images
    that nearly equal a training image: image_id, path, lists, training_id, training_path, training_lists.
    """

    shared: tuple[SharedImages, ...]
    near_duplicates: pd.DataFrame


NO_LEAKAGE = Leakage(shared=(), near_duplicates=pd.DataFrame())


def find_leakage(images: pd.DataFrame) -> Leakage:
    """Compare every training list with every evaluation list, by id and by what the pictures look like."""
    return Leakage(shared=shared_images(images), near_duplicates=near_duplicates(images))


def shared_images(images: pd.DataFrame) -> tuple[SharedImages, ...]:
    """Count the images of every training list that also stand in an evaluation list."""
    pairs = Counter(
        (one, other)
        for galleries in images["galleries"]
        for one in set(galleries)
        for other in set(galleries)
        if one.endswith(".train") and not other.endswith(".train")
    )
    ranked = sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple(SharedImages(*lists, count) for lists, count in ranked)


def near_duplicates(images: pd.DataFrame) -> pd.DataFrame:
    """Evaluation images that nearly equal a training image, each with its nearest.

    Images that stand in lists of both kinds, and byte-for-byte copies, are reported as such elsewhere.
    """
    seen = images[images["fingerprint"].notna()]
    evaluated = seen["galleries"].map(serves_evaluation).astype(bool)
    learnt = seen["galleries"].map(_serves_training).astype(bool)
    training = seen[learnt & ~evaluated].reset_index(drop=True)
    asked = seen[evaluated & ~learnt & ~seen["digest"].isin(training["digest"])].reset_index(drop=True)
    match = nearest_duplicates(_fingerprints(asked), _fingerprints(training))
    found, nearest = asked[match >= 0], training.iloc[match[match >= 0]]
    return pd.DataFrame(
        {
            "image_id": found["image_id"].to_numpy(),
            "path": found["path"].to_numpy(),
            "lists": [" ".join(galleries) for galleries in found["galleries"]],
            "training_id": nearest["image_id"].to_numpy(),
            "training_path": nearest["path"].to_numpy(),
            "training_lists": [" ".join(galleries) for galleries in nearest["galleries"]],
        }
    )


def evaluation_pictures(images: pd.DataFrame) -> dict[str, str]:
    """Images of evaluation lists and byte-for-byte copies of them -> what they are, in words."""
    listed: dict[str, str] = {}
    by_digest: dict[str, str] = {}
    for name, digest, galleries in zip(
        images["image_id"], images["digest"], images["galleries"], strict=True
    ):
        place = next((gallery for gallery in galleries if not gallery.endswith(".train")), None)
        if place is not None:
            listed[name] = f"stands in the evaluation list {place}"
            if isinstance(digest, str):
                by_digest.setdefault(digest, f"is, byte for byte, {name} of the evaluation list {place}")
    copies = zip(images["image_id"], images["digest"].map(by_digest), strict=True)
    return {name: copy for name, copy in copies if isinstance(copy, str)} | listed


def unlist_training(galleries: list[str]) -> list[str]:
    """The lists of an image without those of training."""
    return [gallery for gallery in galleries if not gallery.endswith(".train")]


def _serves_training(galleries: list[str]) -> bool:
    return any(gallery.endswith(".train") for gallery in galleries)


def _fingerprints(images: pd.DataFrame) -> Fingerprints:
    joined = bytes.fromhex("".join(images["fingerprint"]))
    return np.frombuffer(joined, dtype=np.uint8).reshape(-1, 64)
