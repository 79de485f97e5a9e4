"""Records of a small study whose means, differences and intervals were worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dwc.studies.definition import Run, Setting, Studies, Study
from dwc.studies.plan import Plan, Versions
from dwc.studies.records import SYSTEMS, Facts, Records

BASE: dict[str, Any] = {
    "evaluate": {
        "primary_metric": "recall_at_10",
        "bootstrap": {"resamples": 500, "confidence": 0.95, "seed": 0},
    }
}
FACTS = Facts(
    data="d1", code="c1", git="0123456789abcdef", date="2026-11-21", machine="Some CPU, 2 cores, torch 2"
)
VERSIONS = Versions(data="d1", code="c1")

# Ranks of two queries of dresses and one of shirts.
Ranks = dict[str, list[float]]
DEFAULT_1: Ranks = {"dress": [1, 20], "shirt": [5]}  # recall at 10: (1/2 + 1) / 2 = 0.75
DEFAULT_2: Ranks = {"dress": [1, 1], "shirt": [30]}  # (1 + 0) / 2 = 0.5
OTHER_1: Ranks = {"dress": [20, 20], "shirt": [5]}  # (0 + 1) / 2 = 0.5
OTHER_2: Ranks = {"dress": [1, 1], "shirt": [5]}  # 1.0
NOTHING: Ranks = {"dress": [np.inf, np.inf], "shirt": [np.inf]}


def plan(folder: Path, **studies: Study) -> Plan:
    definition = Studies(
        setting=Setting(description="a small setting", parameters={"train.epochs": 6}),
        seeds=(1, 2),
        measures=("recall_at_1", "recall_at_10", "mrr"),
        studies=studies,
    )
    return Plan(definition, BASE, Records(folder), VERSIONS)


def record(records: Records, run: Run, ranks: Ranks, facts: Facts = FACTS, **systems: Ranks) -> None:
    """Record a run; `ranks` are those of every system that has none of its own."""
    by_system = {system: systems.get(system, ranks) for system in SYSTEMS}
    name = f"{'-'.join(map(str, run.own.values())) or 'default'}-{run.seed}"
    records.add(
        name, run, facts, metrics=_metrics(by_system), rankings=_rankings(by_system), seconds=60.0 + run.seed
    )


def _metrics(by_system: dict[str, Ranks]) -> dict[str, Any]:
    return {
        "protocol": {"key": "val/original/reference-masked"},
        "primary_metric": "recall_at_10",
        "queries": 3,
        "systems": {system: {"mean": _means(ranks)} for system, ranks in by_system.items()},
        "image_weight": {"cnn": {"mean": 0.4}, "clip": {"mean": 0.6}},
    }


def _means(ranks: Ranks) -> dict[str, dict[str, float]]:
    def mean(of: Any) -> dict[str, float]:
        return {"value": float(np.mean([np.mean(of(np.array(part))) for part in ranks.values()]))}

    recalls = {f"recall_at_{k}": mean(lambda r, k=k: r <= k) for k in (1, 10)}
    return recalls | {"mrr": mean(lambda r: 1 / r)}


def _rankings(by_system: dict[str, Ranks]) -> pd.DataFrame:
    rows = [
        {"triplet_id": f"{category}.val.{n:06d}", "category": category, "system": system, "rank": rank}
        for system, ranks in by_system.items()
        for category, part in ranks.items()
        for n, rank in enumerate(part)
    ]
    table = pd.DataFrame(rows)
    return table.assign(rank=table["rank"].replace(np.inf, np.nan).astype("Int64"))
