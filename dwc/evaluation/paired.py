"""Two models on the same queries: the difference of their means, and which queries were won and lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from dwc.evaluation.bootstrap import Interval, Resampling, observed_mean, paired_difference
from dwc.evaluation.protocols import require_same_protocol
from dwc.evaluation.queries import QueryResults

Verdict = Literal["better", "worse", "no difference"]


@dataclass(frozen=True, kw_only=True)
class Paired:
    """One metric of two models.

    new, old: means over categories; difference: new - old with its interval; wins, losses: queries on which
    the new model's value is higher, lower.
    """

    metric: str
    new: float
    old: float
    difference: Interval
    wins: int
    losses: int

    @property
    def verdict(self) -> Verdict:
        """Which way the whole interval lies."""
        if self.difference.low > 0:
            return "better"
        return "worse" if self.difference.high < 0 else "no difference"


def require_same_queries(new: QueryResults, old: QueryResults) -> None:
    """Refuse to pair results of different searches. Raises ValueError saying in what they differ."""
    require_same_protocol(new.protocol, old.protocol)
    ours, theirs = set(new.table["triplet_id"]), set(old.table["triplet_id"])
    if ours != theirs:
        raise ValueError(
            f"The results are of different queries: {len(ours - theirs)} are new, {len(theirs - ours)} are "
            "gone. Evaluate both on the same data version."
        )
    if new.searched != old.searched:
        raise ValueError(
            "The results are of the same queries, but other images were searched or counted as hits. "
            "Evaluate both on the same data version."
        )


def compare(new: QueryResults, old: QueryResults, metric: str, resampling: Resampling) -> Paired:
    """Compare a metric query by query. Raises ValueError where the results are not of the same searches."""
    require_same_queries(new, old)
    first, second = _in_order(new).values(metric), _in_order(old).values(metric)
    differences = np.concatenate([first[category] - second[category] for category in first])
    return Paired(
        metric=metric,
        new=_mean_of_categories(first),
        old=_mean_of_categories(second),
        difference=paired_difference(first, second, resampling),
        wins=int((differences > 0).sum()),
        losses=int((differences < 0).sum()),
    )


def changed_queries(new: QueryResults, old: QueryResults, metric: str) -> pd.DataFrame:
    """Queries whose value of the metric differs, the largest moves first.

    Columns: triplet_id, category, old_rank, new_rank (inf = no hit), change (new - old value), won.
    """
    require_same_queries(new, old)
    ours, theirs = _in_order(new), _in_order(old)
    change = np.concatenate(list(ours.values(metric).values())) - np.concatenate(
        list(theirs.values(metric).values())
    )
    table = ours.table[["triplet_id", "category"]].assign(
        old_rank=theirs.table["rank"].to_numpy(), new_rank=ours.table["rank"].to_numpy(), change=change
    )
    table = table[table["change"].fillna(0) != 0].assign(won=lambda rows: rows["change"] > 0)
    moved = (1 / table["new_rank"] - 1 / table["old_rank"]).abs()
    order = np.lexsort((table["triplet_id"], -moved, -table["change"].abs()))
    return table.iloc[order].reset_index(drop=True)


def _in_order(results: QueryResults) -> QueryResults:
    """The same results by category and query, so that equal rows are equal queries."""
    table = results.table.sort_values(["category", "triplet_id"], ignore_index=True)
    return QueryResults(protocol=results.protocol, searched=results.searched, table=table)


def _mean_of_categories(values: dict[str, np.ndarray]) -> float:
    means: Sequence[np.ndarray] = [observed_mean(part[:, None]) for part in values.values()]
    return float(np.mean(means))
