"""Two models on the same queries, worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dwc.evaluation.bootstrap import Resampling
from dwc.evaluation.paired import changed_queries, compare
from dwc.evaluation.queries import QueryResults

RESAMPLING = Resampling(resamples=500)
IDS = ["a.0", "a.1", "a.2", "b.0"]


def results(
    ranks: list[float], *, protocol: str = "val", searched: str = "5e", ids: list[str] = IDS
) -> QueryResults:
    table = pd.DataFrame({"triplet_id": ids, "category": [name[0] for name in ids], "rank": ranks})
    return QueryResults(protocol=protocol, searched=searched, table=table)


def test_means_wins_and_losses() -> None:
    # hits at 2: new a 1 0 0, b 1; old a 0 1 0, b 0
    paired = compare(results([1, 3, 9, 2]), results([3, 2, np.inf, 3]), "recall_at_2", RESAMPLING)
    assert paired.new == pytest.approx((1 / 3 + 1) / 2)
    assert paired.old == pytest.approx((1 / 3 + 0) / 2)
    assert paired.difference.value == pytest.approx(0.5)
    assert (paired.wins, paired.losses) == (2, 1)


def test_queries_are_paired_by_name_not_by_place() -> None:
    new = results([1, 3, 9, 2])
    turned = results([2, 9, 3, 1], ids=IDS[::-1])
    paired = compare(new, turned, "mrr", RESAMPLING)
    assert (paired.wins, paired.losses, paired.difference.value) == (0, 0, 0.0)


@pytest.mark.parametrize(
    ("new", "old", "verdict"), [(1, 9, "better"), (9, 1, "worse"), (1, 1, "no difference")]
)
def test_the_verdict_is_the_intervals(new: int, old: int, verdict: str) -> None:
    paired = compare(results([new] * 4), results([old] * 4), "recall_at_5", RESAMPLING)
    assert paired.verdict == verdict


def test_one_query_is_no_verdict() -> None:
    assert (
        compare(results([1, 9, 9, 1]), results([9, 9, 9, 1]), "recall_at_5", RESAMPLING).verdict
        == "no difference"
    )


def test_changed_queries_largest_first() -> None:
    changed = changed_queries(results([1, 9, 2, 8]), results([4, 2, 3, 8]), "recall_at_3")
    assert changed["triplet_id"].tolist() == ["a.0", "a.1"]
    assert changed["won"].tolist() == [True, False]
    assert changed[["old_rank", "new_rank"]].to_numpy().tolist() == [[4, 1], [2, 9]]


@pytest.mark.parametrize(
    ("other", "problem"),
    [
        ({"protocol": "test"}, "`val` cannot be compared with results under `test`"),
        ({"ids": ["a.0", "a.1", "a.2", "b.1"]}, "different queries: 1 are new, 1 are gone"),
        ({"searched": "5f"}, "other images were searched"),
    ],
)
def test_results_of_other_searches_are_refused(other: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        compare(results([1] * 4), results([1] * 4, **other), "mrr", RESAMPLING)  # type: ignore[arg-type]
