"""Picking the best of a gallery or of one of its categories."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int


def rows_by_category(categories: Sequence[Sequence[str]]) -> dict[str, Int[np.ndarray, " members"]]:
    """Gallery rows of each category."""
    rows: dict[str, list[int]] = {}
    for row, names in enumerate(categories):
        for name in names:
            rows.setdefault(name, []).append(row)
    return {name: np.array(members, dtype=np.int64) for name, members in rows.items()}


def best_positions(scores: Float[np.ndarray, " images"], k: int) -> Int[np.ndarray, " k"]:
    """Positions of the k highest scores, best first, earlier ones first among equals."""
    if k < len(scores):
        threshold = np.partition(scores, len(scores) - k)[len(scores) - k]
        candidates = np.flatnonzero(scores >= threshold)
    else:
        candidates = np.arange(len(scores))
    order = np.argsort(-scores[candidates], kind="stable")
    best: np.ndarray = candidates[order][:k]
    return best
