"""The gate: who passes, who does not, and what is said of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dwc.evaluation.bootstrap import Interval
from dwc.registry.gate import Decision, Latency, Thresholds, decide

THRESHOLDS = Thresholds(tolerance=0.02, must_be_better=False, floors={}, latency_factor=2.0)
SAME = Interval(value=0.0, low=-0.01, high=0.01)


def judge(
    difference: Interval | None = SAME,
    *,
    latency: Latency | str = Latency(challenger=10.0, champion=10.0),  # noqa: B008 -- frozen
    thresholds: Thresholds = THRESHOLDS,
) -> Decision:
    metrics = {"recall_at_10": 0.4, "mrr": 0.2}
    return decide(
        metric="recall_at_10", metrics=metrics, difference=difference, latency=latency, thresholds=thresholds
    )


@pytest.mark.parametrize(("low", "passed"), [(-0.02, True), (-0.0201, False), (-0.3, False), (0.1, True)])
def test_the_lower_end_may_lie_as_far_below_as_tolerated(low: float, passed: bool) -> None:
    decision = judge(Interval(value=max(low, 0.0), low=low, high=0.5))
    assert decision.passed is passed
    assert f"({low:+.3f} to +0.500)" in decision.reason


@pytest.mark.parametrize(("low", "passed"), [(0.0, False), (0.001, True)])
def test_better_may_be_demanded(low: float, passed: bool) -> None:
    strict = replace(THRESHOLDS, must_be_better=True)
    assert judge(Interval(value=0.1, low=low, high=0.2), thresholds=strict).passed is passed


@pytest.mark.parametrize(("floor", "passed"), [(0.4, True), (0.41, False)])
def test_floors_hold_with_and_without_a_champion(floor: float, passed: bool) -> None:
    thresholds = replace(THRESHOLDS, floors={"recall_at_10": floor})
    assert judge(thresholds=thresholds).passed is passed
    assert judge(None, latency=Latency(challenger=1.0), thresholds=thresholds).passed is passed


def test_a_floor_of_an_unknown_metric_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"promote.floors: `recall_at_7` is not measured.*mrr, recall_at_10"):
        judge(thresholds=replace(THRESHOLDS, floors={"recall_at_7": 0.1}))


@pytest.mark.parametrize(("milliseconds", "passed"), [(20.0, True), (20.1, False)])
def test_latency_is_relative_to_the_champions(milliseconds: float, passed: bool) -> None:
    latency = Latency(challenger=milliseconds, champion=10.0)
    assert judge(latency=latency).passed is passed
    assert judge(latency=latency, thresholds=replace(THRESHOLDS, latency_factor=None)).passed


def test_a_package_that_does_not_answer_is_refused() -> None:
    decision = judge(latency="models:/m/3: the packaged model does not answer: no gallery")
    assert not decision.passed
    assert "no gallery" in decision.reason


def test_without_a_champion_nothing_is_compared() -> None:
    decision = judge(None, latency=Latency(challenger=5000.0))
    assert decision.passed and "no champion" in decision.reason
    assert [check.name for check in decision.checks] == ["prediction of the packaged model"]


def test_every_failure_is_named() -> None:
    thresholds = replace(THRESHOLDS, floors={"mrr": 0.9})
    decision = judge(
        Interval(value=-0.2, low=-0.3, high=-0.1),
        latency=Latency(challenger=90, champion=10),
        thresholds=thresholds,
    )
    assert decision.reason == (
        "recall_at_10 against the champion -0.200 (-0.300 to -0.100), needed lower end at least -0.02; "
        "mrr 0.200, needed at least 0.9; latency 90 ms, needed at most 20 ms (2 x the champion's 10 ms)"
    )
