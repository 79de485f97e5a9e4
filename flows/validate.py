"""The validate stage: raw annotations and pictures become two checked tables."""

from __future__ import annotations

import json

from prefect import flow

from dwc.config import Data, Params
from dwc.files import write_text
from dwc.raw.fashion200k import PairSettings
from dwc.raw.table import TableColumns
from dwc.tables import validate as tables_validate
from dwc.tables.build import load_tables
from dwc.tables.result import ValidationFailed, ValidationResult
from flows.progress import StepProgress
from flows.stage import BUILD, METRICS, Stage, stage


@flow(name="validate")
@stage("data", "validate")
def validate(stage: Stage) -> None:
    """Read the data set, check all of it, and keep the tables only where it can be used."""
    try:
        result = stage.step("Check the data", _validate, stage.params, stage.progress("pictures"))
    except ValidationFailed as failure:
        stage.run.log_artifact(failure.report.parent, "validation")
        _tell(stage, failure.result)
        raise
    stage.run.log_artifact(BUILD / "validation", "validation")
    stage.run.log_metrics(result.counts)
    tables = load_tables(BUILD / "tables")
    stage.log_dataset("images", tables.images)
    stage.log_dataset("triplets", tables.triplets)
    _tell(stage, result)
    write_text(METRICS / "validate.json", json.dumps(result.counts, indent=2) + "\n")


def layout_settings(data: Data) -> tuple[PairSettings, TableColumns]:
    """What the layouts need to know beyond the folder: how pairs are drawn, and how columns are called."""
    return PairSettings(**data.pairs.model_dump()), TableColumns(**data.table.model_dump())


def _validate(params: Params, progress: StepProgress) -> ValidationResult:
    data, rules = params.data, params.validate_
    pairs, columns = layout_settings(data)
    return tables_validate.validate(
        data.root,
        data.layout,
        data.categories,
        dataset=data.name,
        pairs=pairs,
        columns=columns,
        min_side=rules.min_side,
        max_megapixels=rules.max_megapixels,
        min_caption_words=rules.min_caption_words,
        missing_images=rules.missing_images,
        exclude_eval_images=rules.exclude_eval_images,
        tables_folder=BUILD / "tables",
        report_folder=BUILD / "validation",
        rejected_folder=BUILD / "rejected",
        progress=progress,
    )


def _tell(stage: Stage, result: ValidationResult) -> None:
    failed = [*result.errors, *result.warnings]
    rows = [{"check": c.title, "severity": c.severity, "rows": c.count, "of": c.total} for c in failed]
    if rows:
        stage.table("findings", rows)
    stage.summary(
        f"{len(result.checks)} checks: {len(result.errors)} with errors, "
        f"{len(result.warnings)} with warnings. {len(result.quarantined)} triplets left out. "
        f"{result.recognised or ''}"
    )
