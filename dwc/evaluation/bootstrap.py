"""Percentile bootstrap intervals over queries (Efron, 1979), stratified by category.

Queries are resampled within each category, because the number of queries of a category is a choice of the
data set's makers, not chance. One draw serves every measure, so differences of systems are paired.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

_CELLS = 4_000_000
"""Largest resampling matrix held at once, in cells."""


@dataclass(frozen=True, kw_only=True)
class Resampling:
    """How intervals are drawn: number of resamples, share of them inside the interval, seed."""

    resamples: int = 2000
    confidence: float = 0.95
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A measured value and the bounds of its bootstrap interval; NaN where nothing was measured."""

    value: float
    low: float
    high: float


def mean_intervals(
    values: Mapping[str, Float[np.ndarray, "_ measures"]], resampling: Resampling
) -> dict[str, list[Interval]]:
    """Intervals of every measure's mean, for each category and, under `mean`, for the mean of categories.

    values: category -> one row a query, one column a measure; NaN = undefined for this query, left out.
    """
    generator = np.random.default_rng(resampling.seed)
    means = {category: observed_mean(part) for category, part in values.items()}
    draws = {
        category: resampled_means(part, resamples=resampling.resamples, generator=generator)
        for category, part in values.items()
    }
    means["mean"] = np.mean(list(means.values()), axis=0)
    draws["mean"] = np.mean(list(draws.values()), axis=0)
    return {name: _intervals(means[name], draws[name], resampling.confidence) for name in ("mean", *values)}


def paired_difference(
    first: Mapping[str, Float[np.ndarray, " _"]],
    second: Mapping[str, Float[np.ndarray, " _"]],
    resampling: Resampling,
) -> Interval:
    """Interval of first - second, the mean over categories of the mean difference of the same queries.

    first, second: category -> one value a query, in the same order of queries. Raises ValueError where the
    categories or numbers of queries differ, since then they were not measured on the same queries.
    """
    sizes = [{category: len(part) for category, part in values.items()} for values in (first, second)]
    if sizes[0] != sizes[1]:
        raise ValueError(
            f"A paired difference needs the same queries; the systems have {sizes[0]} and {sizes[1]}. "
            "Evaluate both on the same data version."
        )
    differences = {category: (first[category] - second[category])[:, None] for category in first}
    return mean_intervals(differences, resampling)["mean"][0]


def resampled_means(
    values: Float[np.ndarray, "queries measures"], *, resamples: int, generator: np.random.Generator
) -> Float[np.ndarray, "resamples measures"]:
    """Means of `resamples` draws of as many queries with replacement, computed a bounded block at a time."""
    block = max(1, _CELLS // max(1, len(values)))
    sizes = [min(block, resamples - start) for start in range(0, resamples, block)]
    counts = (_draw_counts(len(values), size, generator) for size in sizes)
    return np.concatenate([_weighted_mean(values, weights) for weights in counts])


def observed_mean(values: Float[np.ndarray, "queries measures"]) -> Float[np.ndarray, " measures"]:
    """Mean of every measure over the queries that define it; NaN where none does."""
    means: Float[np.ndarray, " measures"] = _weighted_mean(values, np.ones((1, len(values))))[0]
    return means


def _draw_counts(queries: int, resamples: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """How often each query was drawn in each resample [resamples, queries]."""
    drawn = generator.integers(queries, size=(resamples, queries))
    drawn += queries * np.arange(resamples)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=resamples * queries)
    return counts.reshape(resamples, queries).astype(np.float64)


def _weighted_mean(
    values: Float[np.ndarray, "queries measures"], weights: Float[np.ndarray, "resamples queries"]
) -> Float[np.ndarray, "resamples measures"]:
    defined = ~np.isnan(values)
    totals = weights @ np.where(defined, values, 0.0)
    counts = weights @ defined.astype(np.float64)
    means = np.full_like(totals, np.nan)
    np.divide(totals, counts, out=means, where=counts > 0)
    return means


def _intervals(
    means: Float[np.ndarray, " measures"], draws: Float[np.ndarray, "resamples measures"], confidence: float
) -> list[Interval]:
    tail = (1 - confidence) / 2
    bounds = [_quantile(column, tail) for column in draws.T]
    return [
        Interval(value=float(value), low=low, high=high)
        for value, (low, high) in zip(means, bounds, strict=True)
    ]


def _quantile(column: Float[np.ndarray, " resamples"], tail: float) -> tuple[float, float]:
    """Bounds that leave `tail` of the draws on each side; draws that define no mean (NaN) are left out."""
    drawn = column[~np.isnan(column)]
    if not len(drawn):
        return float("nan"), float("nan")
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return float(low), float(high)
