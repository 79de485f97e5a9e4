"""Running the rules with Great Expectations: the one place where that library is used.

Nothing is sent or stored: the context lives in memory, and pages are rendered by `report`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import great_expectations as gx
import pandas as pd
from great_expectations.data_context.data_context.abstract_data_context import AbstractDataContext
from great_expectations.data_context.types.base import ProgressBarsConfig
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from great_expectations.expectations.metadata_types import FailureSeverity

from dwc.tables.availability import MissingImages
from dwc.tables.build import Tables
from dwc.tables.evidence import image_evidence, side_file_evidence, split_evidence, triplet_evidence
from dwc.tables.findings import Check, Example
from dwc.tables.image_rules import image_rules
from dwc.tables.leakage import find_leakage
from dwc.tables.published_counts import compare_counts, count_evidence, published_count_rules, recognised
from dwc.tables.quarantine import left_out, without
from dwc.tables.result import ValidationResult
from dwc.tables.rules import Rule
from dwc.tables.summary import count, count_splits
from dwc.tables.triplet_rules import side_file_rules, split_rules, triplet_rules

MAX_EXAMPLES = 100
"""Failing rows that a check keeps; it counts them all."""


def run_checks(
    tables: Tables,
    *,
    dataset: str,
    min_side: int,
    max_megapixels: float,
    min_caption_words: int,
    missing_images: MissingImages,
    exclude_eval_images: bool,
) -> ValidationResult:
    """Run every check; none is left out because another failed.

    `dataset` is its name, by which published counts are known; `min_side` in pixels; fewer words than
    `min_caption_words` in a caption give a warning; `missing_images` and `exclude_eval_images` as in
    params.yaml: they decide what is left out of the result's `kept` tables.
    """
    kept = without(
        tables,
        left_out(
            tables,
            missing_images=missing_images,
            max_megapixels=max_megapixels,
            exclude_eval_images=exclude_eval_images,
        ),
    )
    leakage, splits = find_leakage(tables.images), count_splits(tables, kept)
    published = compare_counts(tables, dataset)
    suites = [
        (
            "images",
            image_evidence(tables.images, leakage.near_duplicates, max_megapixels),
            image_rules(min_side, max_megapixels, missing_images, exclude_eval_images),
        ),
        ("triplets", triplet_evidence(tables), triplet_rules(min_caption_words, missing_images)),
        ("splits", split_evidence(splits), split_rules()),
        ("side_files", side_file_evidence(tables), side_file_rules()),
        ("published_counts", count_evidence(published, dataset), published_count_rules()),
    ]
    context = _silent_context()
    checks = [check for name, rows, rules in suites for check in _run_suite(context, name, rows, rules)]
    return ValidationResult(
        checks=tuple(checks),
        kept=kept,
        splits=tuple(splits),
        leakage=leakage,
        counts=count(tables, kept, checks, leakage),
        recognised=recognised(published, dataset),
    )


def _silent_context() -> AbstractDataContext:
    """Context in memory, which writes no file, sends nothing and draws no progress bars of its own."""
    context: AbstractDataContext = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


def _run_suite(
    context: AbstractDataContext, name: str, rows: pd.DataFrame, rules: Sequence[Rule]
) -> list[Check]:
    asset = context.data_sources.add_pandas(name).add_dataframe_asset(name)
    batch = asset.add_batch_definition_whole_dataframe(name).get_batch({"dataframe": rows})
    suite = gx.ExpectationSuite(name=name, expectations=[_configured(rule) for rule in rules])
    outcomes = batch.validate(suite, result_format={"result_format": "COMPLETE"}).results
    by_rule: dict[str, Any] = {_rule_name(outcome): outcome for outcome in outcomes}
    return [_check(rule, by_rule[rule.name], rows) for rule in rules]


def _rule_name(outcome: Any) -> str:
    return str(outcome.expectation_config.meta["rule"])


def _configured(rule: Rule) -> Any:
    """Return the expectation; its meta says which rule an outcome belongs to."""
    kind, arguments = rule.condition
    severity = FailureSeverity.CRITICAL if rule.severity == "error" else FailureSeverity.WARNING
    configuration = ExpectationConfiguration(kind, arguments, meta={"rule": rule.name}, severity=severity)
    return configuration.to_domain_obj()


def _check(rule: Rule, outcome: Any, rows: pd.DataFrame) -> Check:
    if "unexpected_index_list" not in outcome.result:
        raise RuntimeError(f"The check {rule.name} did not run: {outcome.exception_info}")
    failing = outcome.result["unexpected_index_list"]
    return Check(
        name=rule.name,
        severity=rule.severity,
        title=rule.title,
        remedy=rule.remedy,
        count=len(failing),
        total=len(rows),
        examples=tuple(_example(rule, rows.loc[row].to_dict()) for row in failing[:MAX_EXAMPLES]),
    )


def _example(rule: Rule, row: dict[str, Any]) -> Example:
    record = None if row["record"] is None else int(row["record"])
    return Example(file=row["file"], record=record, message=rule.message.format(**row))
