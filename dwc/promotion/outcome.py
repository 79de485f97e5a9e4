"""What a promotion found and decided, and how it is kept: as tags, as figures, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from dwc.evaluation.paired import Paired
from dwc.promotion.contest import Contest
from dwc.registry.champions import PROMOTION
from dwc.registry.gate import Decision, Latency, interval_words


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a promotion found and decided.

    paired: the primary metric of both, None without a champion; changed: queries won and lost, the largest
    moves first, with the columns of `changed_queries` and text, reference_id, target_id;
    metrics: the challenger's means over categories.
    """

    contest: Contest
    decision: Decision
    protocol: str
    metrics: Mapping[str, float]
    champion_metrics: Mapping[str, float]
    paired: Paired | None
    changed: pd.DataFrame
    latency: Latency | None


def tags(outcome: Outcome, run_id: str) -> dict[str, str]:
    """What the challenger's version says of it afterwards."""
    said = {
        PROMOTION: "promoted" if outcome.decision.passed else "refused",
        f"{PROMOTION}.reason": outcome.decision.reason,
        f"{PROMOTION}.run": run_id,
        f"{PROMOTION}.against": outcome.contest.champion or "nobody",
        f"{PROMOTION}.protocol": outcome.protocol,
    }
    if outcome.paired:
        said[f"{PROMOTION}.difference"] = interval_words(outcome.paired.difference)
    if outcome.latency:
        said[f"{PROMOTION}.latency_ms"] = f"{outcome.latency.challenger:.1f}"
    return said


def figures(outcome: Outcome) -> dict[str, float]:
    """What the promotion's run shows as metrics."""
    found = {f"challenger.{name}": value for name, value in outcome.metrics.items()}
    found |= {f"champion.{name}": value for name, value in outcome.champion_metrics.items()}
    found["promoted"] = float(outcome.decision.passed)
    if outcome.paired:
        difference = outcome.paired.difference
        found |= {"difference": difference.value, "difference.low": difference.low}
        found |= {
            "difference.high": difference.high,
            "won": outcome.paired.wins,
            "lost": outcome.paired.losses,
        }
    if outcome.latency:
        found["challenger.latency_ms"] = outcome.latency.challenger
        if outcome.latency.champion is not None:
            found["champion.latency_ms"] = outcome.latency.champion
    return found


def plain(outcome: Outcome) -> dict[str, Any]:
    """The outcome as plain values for JSON; a query without a hit has no rank."""
    paired = outcome.paired
    moved = [
        {**row, "old_rank": _rank(row["old_rank"]), "new_rank": _rank(row["new_rank"])}
        for row in outcome.changed.to_dict("records")
    ]
    return {
        "model": outcome.contest.name,
        "challenger": outcome.contest.challenger,
        "champion": outcome.contest.champion,
        "promoted": outcome.decision.passed,
        "reason": outcome.decision.reason,
        "protocol": outcome.protocol,
        "checks": [asdict(check) for check in outcome.decision.checks],
        "metrics": dict(outcome.metrics),
        "champion_metrics": dict(outcome.champion_metrics),
        "paired": asdict(paired) if paired else None,
        "latency_ms": asdict(outcome.latency) if outcome.latency else None,
        "changed": moved,
    }


def _rank(value: float) -> int | None:
    return int(value) if np.isfinite(value) else None
