"""What is measured of each query, as pure functions of ranks and ranked lists. All are shares from 0 to 1.

recall_at_k            1 if the best-ranked hit is among the first k, else 0.
mrr                    1 / rank of the best-ranked hit; 0 if the gallery holds no hit.
relevant_recall_at_k   |first k ∩ relevant| / min(k, |relevant|), where `relevant` are all gallery images that
                       truly satisfy the query, without a masked reference. A perfect ranking scores 1 at
                       every k. Undefined (NaN, left out of means) where none is known or in the gallery.

Means are taken over the queries of a category, and then over the categories, each counting the same, as the
papers do. The median rank is a category's; inf ranks (no hit in the gallery) take part as the worst.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from dwc.evaluation.protocols import SearchTask, positions_in

Ranks = Float[np.ndarray, " queries"]
Positions = Int[np.ndarray, "queries top"]


def query_measures(
    ranks: Ranks,
    top: Positions,
    relevant: Sequence[Int[np.ndarray, " _"]] | None,
    recall_at: Sequence[int],
) -> dict[str, Float[np.ndarray, " queries"]]:
    """Every measure of every query by name.

    top: ranked gallery positions, -1 = none; relevant: each query's relevant gallery positions, None where
    the data set knows no relevant sets.
    """
    measures = {f"recall_at_{k}": hit_within(ranks, k) for k in recall_at}
    measures["mrr"] = reciprocal(ranks)
    if relevant is not None:
        found = _found(top, relevant)
        counts = np.array([len(positions) for positions in relevant])
        measures |= {f"relevant_recall_at_{k}": relevant_recall(found, counts, k) for k in recall_at}
    return measures


def measure_of(ranks: Ranks, name: str) -> Float[np.ndarray, " queries"]:
    """A measure that ranks alone decide, by name. Raises ValueError for an unknown name."""
    if name == "mrr":
        return reciprocal(ranks)
    kind, _, number = name.rpartition("_at_")
    if kind != "recall" or not number.isdecimal():
        raise ValueError(f"`{name}` is no measure of ranks. Use mrr or recall_at_K, such as recall_at_10.")
    return hit_within(ranks, int(number))


def hit_within(ranks: Ranks, k: int) -> Float[np.ndarray, " queries"]:
    """Recall at k of single queries."""
    return (ranks <= k).astype(np.float64)


def reciprocal(ranks: Ranks) -> Float[np.ndarray, " queries"]:
    """Reciprocal ranks; 0 where there is no hit."""
    return 1.0 / ranks


def relevant_recall(
    found: Int[np.ndarray, "queries top"], counts: Int[np.ndarray, " queries"], k: int
) -> Float[np.ndarray, " queries"]:
    """Relevant-set recall at k: `found` counts the relevant images up to each place, `counts` all there are.

    Raises ValueError if the ranked lists are shorter than k although more images were there.
    """
    ideal = np.minimum(k, counts)
    if found.shape[1] < ideal.max(initial=0):
        raise ValueError(f"Recall at {k} needs ranked lists of {k} images, these have {found.shape[1]}.")
    reached = found[:, min(k, found.shape[1]) - 1]
    share: Float[np.ndarray, " queries"] = np.full(len(found), np.nan)
    np.divide(reached, ideal, out=share, where=counts > 0)
    return share


def relevant_positions(
    task: SearchTask, relevant: Mapping[str, Sequence[str]], row_of: Mapping[str, int]
) -> list[Int[np.ndarray, " _"]]:
    """Gallery positions of each query's relevant images; empty where none is known or in the gallery.

    relevant: triplet_id -> image ids. A masked reference does not count.
    """
    found = []
    for name, masked in zip(task.triplets["triplet_id"], task.masked, strict=True):
        rows = [row_of[image_id] for image_id in relevant.get(name, ()) if image_id in row_of]
        positions = positions_in(task.gallery, np.unique(np.asarray(rows, dtype=np.int64)))
        found.append(positions[(positions >= 0) & (positions != masked)])
    return found


def _found(top: Positions, relevant: Sequence[Int[np.ndarray, " _"]]) -> Int[np.ndarray, "queries top"]:
    """How many relevant images stand in the first 1, 2, … places."""
    rows = zip(top, relevant, strict=True)
    return np.stack([np.isin(row, positions) for row, positions in rows]).cumsum(axis=1)
