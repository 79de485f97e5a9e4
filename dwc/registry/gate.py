"""The gate between challenger and champion: a pure decision from what was measured.

Not worse means: the lower end of the paired interval of challenger - champion lies above -tolerance. The
interval has two sides: at confidence 0.95 a challenger that is worse by the tolerance passes once in 40.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dwc.evaluation.bootstrap import Interval


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """What a challenger must reach; the values of the `promote` section, see `dwc.config.Promote`."""

    tolerance: float
    must_be_better: bool
    floors: Mapping[str, float]
    latency_factor: float | None


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Median time of one prediction, milliseconds; the champion's is None where there is none."""

    challenger: float
    champion: float | None = None


@dataclass(frozen=True, kw_only=True)
class Check:
    """One condition: what was found, what was needed, and whether that is fulfilled."""

    name: str
    found: str
    needed: str
    passed: bool


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Whether the challenger passes, every check behind it, and the reason in one sentence."""

    passed: bool
    reason: str
    checks: tuple[Check, ...]


def decide(
    *,
    metric: str,
    metrics: Mapping[str, float],
    difference: Interval | None,
    latency: Latency | str,
    thresholds: Thresholds,
) -> Decision:
    """Hold what was measured against the thresholds.

    metric: the primary metric, which `difference` (challenger - champion, None = no champion) is of;
    metrics: the challenger's; latency: measured, or why the package did not answer.
    Raises ValueError where a floor is set for a metric that was not measured.
    """
    checks = [
        *([_not_worse(metric, difference, thresholds)] if difference else []),
        *(_floor(name, floor, metrics) for name, floor in thresholds.floors.items()),
        _answers(latency),
        *_fast_enough(latency, thresholds.latency_factor),
    ]
    failed = [check for check in checks if not check.passed]
    reason = "; ".join(f"{check.name} {check.found}, needed {check.needed}" for check in failed)
    return Decision(passed=not failed, reason=reason or _praise(metric, difference), checks=tuple(checks))


def interval_words(interval: Interval) -> str:
    """Such as `+0.012 (-0.003 to +0.027)`."""
    return f"{interval.value:+.3f} ({interval.low:+.3f} to {interval.high:+.3f})"


def _not_worse(metric: str, difference: Interval, thresholds: Thresholds) -> Check:
    if thresholds.must_be_better:
        needed, passed = "lower end above 0", difference.low > 0
    else:
        needed, passed = (
            f"lower end at least -{thresholds.tolerance:g}",
            difference.low >= -thresholds.tolerance,
        )
    return Check(
        name=f"{metric} against the champion", found=interval_words(difference), needed=needed, passed=passed
    )


def _floor(name: str, floor: float, metrics: Mapping[str, float]) -> Check:
    if name not in metrics:
        known = ", ".join(sorted(metrics))
        raise ValueError(f"promote.floors: `{name}` is not measured here. Choose from {known}.")
    value = metrics[name]
    return Check(name=name, found=f"{value:.3f}", needed=f"at least {floor:g}", passed=value >= floor)


def _answers(latency: Latency | str) -> Check:
    answered = isinstance(latency, Latency)
    return Check(
        name="prediction of the packaged model",
        found="answered" if answered else f"failed ({latency})",
        needed="an answer",
        passed=answered,
    )


def _fast_enough(latency: Latency | str, factor: float | None) -> list[Check]:
    if isinstance(latency, str) or latency.champion is None or factor is None:
        return []
    limit = factor * latency.champion
    needed = f"at most {limit:.0f} ms ({factor:g} x the champion's {latency.champion:.0f} ms)"
    passed = latency.challenger <= limit
    return [Check(name="latency", found=f"{latency.challenger:.0f} ms", needed=needed, passed=passed)]


def _praise(metric: str, difference: Interval | None) -> str:
    if difference is None:
        return "there was no champion to compare with, and every floor is reached"
    return f"{metric} against the champion {interval_words(difference)}, and every other check passed"
