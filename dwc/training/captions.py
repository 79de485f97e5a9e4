"""Cleaner or noisier captions for the triplets that training learns from, for studies of noise.

Both work on the store's triplet table by choosing among text rows that are there already: no text is new, so
the vocabulary, the CLIP and its features stay as they are, and only the training is done again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Int

from dwc.store.texts import clean, sentence, variants

CLEAN = "clean"
_DRAW = 0xCA97  # keeps these draws apart from the others of the same seed


def without_known_noise(
    triplets: pd.DataFrame,
    texts: Sequence[str],
    captions: Mapping[str, Sequence[str]],
    noise: Mapping[str, Sequence[str]],
) -> pd.DataFrame:
    """Leave out every text that holds a caption known to mislead, and triplets left without a text.

    triplets: rows of `store.triplets`; texts: sentence of each text row; captions: triplet_id -> captions in
    file order; noise: triplet_id -> kind of each caption, `clean` where nothing is wrong with it. Raises
    ValueError where the data set does not say which captions mislead.
    """
    if not noise:
        raise ValueError(
            "train.captions.leave_out_known_noise: the data set has no noise.json that says which captions "
            "mislead. Set it to false."
        )
    kept = []
    for name, rows in zip(triplets["triplet_id"], triplets["texts"], strict=True):
        kinds = noise.get(name, [CLEAN] * len(captions[name]))
        good = clean(text for text, kind in zip(captions[name], kinds, strict=True) if kind == CLEAN)
        said = {sentence(part) for part in variants(good, "orders_and_singles")} if good else set()
        kept.append([int(row) for row in rows if texts[row] in said])
    left = triplets.assign(texts=pd.Series(kept, index=triplets.index, dtype=object))
    return left[left["texts"].map(bool)].reset_index(drop=True)


def with_replaced_texts(triplets: pd.DataFrame, share: float, seed: int) -> pd.DataFrame:
    """Give a share of the triplets, in each category, the texts of another triplet of the category.

    For one seed the triplets chosen at a small share are among those at a larger one, with the same texts. A
    category of one triplet keeps its own.
    """
    random = np.random.default_rng([seed, _DRAW])
    donor = np.arange(len(triplets))
    for category in sorted(triplets["category"].unique()):
        members = np.flatnonzero(triplets["category"] == category)
        chosen = random.permutation(members)[: round(share * len(members))]
        donor[chosen] = _others(members, random)[np.searchsorted(members, chosen)]
    texts = triplets["texts"].to_numpy()[donor]
    return triplets.assign(texts=pd.Series(list(texts), index=triplets.index, dtype=object))


def _others(members: Int[np.ndarray, " members"], random: np.random.Generator) -> Int[np.ndarray, " members"]:
    """For each of the members another one, drawn at random: they stand in a ring in random order."""
    ring = random.permutation(members)
    following = np.empty_like(members)
    following[np.searchsorted(members, ring)] = np.roll(ring, -1)
    return following
