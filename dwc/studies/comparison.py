"""What a study found: means over seeds, and differences of the same queries with bootstrap intervals.

Let h(v, s, q) be the measure of query q with variant v and seed s. A value is the mean over seeds, then over
the queries of a category, then over categories. A difference is that of h(v, s, q) − h(reference, s, q) over
the seeds that both have. Intervals come from drawing queries again within each category (see
dwc.evaluation.bootstrap), each with its mean over the seeds: they say how much the choice of queries matters,
for these seeds. How much the seeds matter is shown beside them, as the difference of every single seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from dwc.evaluation.bootstrap import Interval, Resampling, mean_intervals, paired_difference
from dwc.evaluation.metrics import measure_of
from dwc.studies.definition import Case, Study, System
from dwc.studies.records import Records

PerQuery = dict[str, Float[np.ndarray, " queries"]]
"""Category -> one value a query."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One case seen by one system; nothing but the names where no seed of it was run.

    values: measure -> mean over seeds; value: of the primary measure; seed_values: seed -> the same of one
    seed; difference: to the reference with the same system, seed_differences: seed -> the same of one seed;
    to_fused: difference to both streams of the same runs.
    """

    case: Case
    system: System
    is_reference: bool
    values: dict[str, float]
    value: Interval | None = None
    seed_values: dict[int, float]
    difference: Interval | None = None
    seed_differences: dict[int, float]
    to_fused: Interval | None = None


@dataclass(frozen=True, kw_only=True)
class Trend:
    """How a variant's difference to the reference at the last level exceeds that at the first level."""

    variant: str
    change: Interval


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All rows of a study, case by case, and the trends where variants were run at levels."""

    rows: list[Row]
    trends: list[Trend]


Found = Sequence[Mapping[int, str]]
"""For each case: seed -> name of its run, as far as they were run."""


def compare(
    study: Study,
    cases: Sequence[Case],
    references: Sequence[int],
    found: Found,
    records: Records,
    *,
    measures: Sequence[str],
    primary: str,
    resampling: Resampling,
) -> Comparison:
    """Compare the cases of a study by the primary measure.

    references: number of each case's reference. Raises ValueError for a measure that ranks do not decide.
    """
    hits = _Hits(records, found, primary)
    rows = [
        _row(hits, records, cases, references[place], place, system, measures, resampling)
        for place in range(len(cases))
        for system in study.systems
    ]
    several = bool(study.levels) and len(study.variants) > 1
    return Comparison(rows=rows, trends=_trends(hits, study, resampling) if several else [])


class _Hits:
    """The primary measure of every query, by case, system and seed."""

    def __init__(self, records: Records, found: Found, measure: str) -> None:
        self.found = found
        self._records = records
        self._measure = measure

    def of(self, place: int, system: System, seeds: Sequence[int]) -> PerQuery:
        """Each query's mean over the seeds."""
        parts = [self._records.ranks(self.found[place][seed])[system] for seed in seeds]
        return {
            category: np.mean([measure_of(part[category], self._measure) for part in parts], axis=0)
            for category in parts[0]
        }

    def shared(self, *places: int) -> list[int]:
        """Seeds with which all of the cases were run."""
        return sorted(set.intersection(*(set(self.found[place]) for place in places)))

    def mean(self, place: int, system: System, seed: int) -> float:
        """Mean over categories, with one seed."""
        return float(np.mean([values.mean() for values in self.of(place, system, [seed]).values()]))


def _row(
    hits: _Hits,
    records: Records,
    cases: Sequence[Case],
    reference: int,
    place: int,
    system: System,
    measures: Sequence[str],
    resampling: Resampling,
) -> Row:
    own, shared = hits.shared(place), hits.shared(place, reference)
    compared = shared if place != reference else []
    lines = [records.line(hits.found[place][seed]) for seed in own]
    return Row(
        case=cases[place],
        system=system,
        is_reference=place == reference,
        values={name: float(np.mean([line[f"{system}.{name}"] for line in lines])) for name in measures}
        if own
        else {},
        value=_interval(hits.of(place, system, own), resampling) if own else None,
        seed_values={seed: hits.mean(place, system, seed) for seed in own},
        difference=paired_difference(
            hits.of(place, system, compared), hits.of(reference, system, compared), resampling
        )
        if compared
        else None,
        seed_differences={
            seed: hits.mean(place, system, seed) - hits.mean(reference, system, seed) for seed in compared
        },
        to_fused=paired_difference(hits.of(place, system, own), hits.of(place, "fused", own), resampling)
        if own and system != "fused"
        else None,
    )


def _interval(values: PerQuery, resampling: Resampling) -> Interval:
    columns = {category: part[:, None] for category, part in values.items()}
    return mean_intervals(columns, resampling)["mean"][0]


def _trends(hits: _Hits, study: Study, resampling: Resampling) -> list[Trend]:
    """For every variant but the first: (it − the first) at the last level − the same at the first level."""
    variants = list(study.variants)
    end = len(variants) * (len(study.levels) - 1)
    trends = []
    for offset, variant in enumerate(variants[1:], start=1):
        places = (offset, 0, end + offset, end)
        if seeds := hits.shared(*places):
            early, early_first, late, late_first = (hits.of(place, "fused", seeds) for place in places)
            change = paired_difference(
                {name: late[name] - late_first[name] for name in late},
                {name: early[name] - early_first[name] for name in early},
                resampling,
            )
            trends.append(Trend(variant=variant, change=change))
    return trends
