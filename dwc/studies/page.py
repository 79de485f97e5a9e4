"""The page of a study, docs/studies/NAME.md, made anew from the records each time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from dwc.evaluation.bootstrap import Resampling
from dwc.evaluation.wording import SYSTEM_LABELS, measure_label, value_text
from dwc.studies.comparison import Comparison, Row
from dwc.studies.definition import Setting, Study
from dwc.studies.wording import difference_text, difference_with_interval, value_with_interval


def study_page(
    name: str,
    study: Study,
    setting: Setting,
    comparison: Comparison,
    runs: pd.DataFrame,
    *,
    seeds: Sequence[int],
    measures: Sequence[str],
    primary: str,
    resampling: Resampling,
) -> str:
    """Write the page; runs: the lines of runs.csv that it rests on."""
    wanted = len({id(row.case) for row in comparison.rows}) * len(seeds)
    present = sum(len(row.seed_values) for row in comparison.rows) // len(study.systems)
    parts = [
        f"# {study.title}",
        study.question,
        f"![{study.title}]({name}.png)",
        _table(study, comparison.rows, measures, primary),
        *([_trends(study, comparison, primary)] if comparison.trends else []),
        *([f"{wanted - present} of the {wanted} runs are missing."] if present < wanted else []),
        "## How it was measured",
        *([study.notes] if study.notes else []),
        _protocol(study, primary, resampling),
        _facts(setting, runs, seeds),
    ]
    return "\n\n".join(parts) + "\n"


def _table(study: Study, rows: Iterable[Row], measures: Sequence[str], primary: str) -> str:
    several, systems = len(study.variants) > 1, len(study.systems) > 1
    heading = [
        *([study.axis] if study.axis else []),
        *(["variant"] if several or not study.axis else []),
        *(["system"] if systems else []),
        *(measure_label(measure) for measure in measures),
        "difference",
        "of each seed",
        *(["to both streams"] if systems else []),
    ]
    lines = [
        [
            *([f"{row.case.level:g}"] if row.case.level is not None else []),
            *([row.case.variant] if several or not study.axis else []),
            *([SYSTEM_LABELS[row.system]] if systems else []),
            *(_value(row, measure, primary) for measure in measures),
            "reference" if row.is_reference else difference_with_interval(primary, row.difference),
            _each_seed(row, primary),
            *([difference_with_interval(primary, row.to_fused)] if systems else []),
        ]
        for row in rows
    ]
    return _markdown_table([str(text) for text in heading], lines)


def _value(row: Row, measure: str, primary: str) -> str:
    if measure == primary:
        return value_with_interval(measure, row.value)
    return value_text(measure, row.values.get(measure))


def _each_seed(row: Row, primary: str) -> str:
    return " / ".join(difference_text(primary, value) for value in row.seed_differences.values())


def _markdown_table(heading: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [heading, ["---"] * len(heading), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _trends(study: Study, comparison: Comparison, primary: str) -> str:
    levels = list(study.levels)
    first, last = levels[0], levels[-1]
    reference = next(iter(study.variants))
    lines = [[trend.variant, difference_with_interval(primary, trend.change)] for trend in comparison.trends]
    return (
        f"How far the difference to {reference} at {last:g} is from that at {first:g}, in "
        f"{measure_label(primary)}:\n\n" + _markdown_table(["variant", "change of the difference"], lines)
    )


def _protocol(study: Study, primary: str, resampling: Resampling) -> str:
    reference = "the first variant at the same level" if _per_level(study) else "the reference"
    both = " *To both streams* compares with the fused system of the same runs."
    return (
        "Every value is the mean over the seeds, over the queries of a category, and then over the "
        f"categories; recall in percent. *Difference* is that of {measure_label(primary)} to {reference}, "
        f"with the same queries and seeds on both sides.{both if len(study.systems) > 1 else ''}\n\n"
        f"Brackets are {resampling.confidence:.0%} intervals: the queries of each category are drawn again "
        f"{resampling.resamples:,} times, each with its mean over the seeds. They say how far other queries "
        "might move a figure, for these seeds; how far other seeds might, *of each seed* shows. Bold "
        "differences have an interval without 0; of twenty comparisons without any effect, one is so by "
        "chance."
    )


def _per_level(study: Study) -> bool:
    return bool(study.levels) and len(study.variants) > 1


def _facts(setting: Setting, runs: pd.DataFrame, seeds: Sequence[int]) -> str:
    facts: Mapping[str, Any] = {
        "Setting": f"{setting.description} ({_changes(setting)})",
        "Seeds": ", ".join(map(str, seeds)),
        "Runs": f"{len(runs)}, {_range(runs['seconds'])} s each",
        "Protocol": f"{_distinct(runs['protocol'])}, {_distinct(runs['queries'])} queries",
        "Date": _between(sorted(runs["date"])),
        "Machine": _distinct(runs["machine"]),
        "Git revision": _distinct(runs["git"].str[:12]),
        "Data": _distinct(runs["data"]),
        "Records": "[runs.csv](runs.csv), each query's ranks in `ranks.parquet`",
    }
    lines = [f"* {key}: {value}" for key, value in facts.items()]
    if runs["code"].nunique() > 1:
        lines.append(
            f"* **These runs are of {runs['code'].nunique()} versions of the stages' code**; run the study "
            "again to compare like with like."
        )
    return "\n".join(lines)


def _changes(setting: Setting) -> str:
    changes = ", ".join(f"`{key}={_plain(value)}`" for key, value in setting.parameters.items())
    return changes or "params.yaml as it is"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _distinct(values: pd.Series) -> str:
    return "; ".join(str(value) for value in dict.fromkeys(values))


def _range(values: pd.Series) -> str:
    return _between([f"{value:.0f}" for value in sorted(values)])


def _between(ordered: Sequence[str]) -> str:
    return ordered[0] if ordered[0] == ordered[-1] else f"{ordered[0]} to {ordered[-1]}"
