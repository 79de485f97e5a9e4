"""The whole stage: read, scan, check, and write either the tables or the report of why there are none."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from dwc.files import atomic_folder
from dwc.raw.fashion200k import PairSettings
from dwc.raw.layouts import USUAL_COLUMNS, USUAL_PAIRS, read
from dwc.raw.table import TableColumns
from dwc.tables.availability import MissingImages
from dwc.tables.build import Progress, build_tables, save_tables
from dwc.tables.checks import run_checks
from dwc.tables.report import write_report
from dwc.tables.result import ValidationFailed, ValidationResult
from dwc.tables.samples import choose_pairs, choose_samples


def validate(
    data_root: Path,
    layout: str,
    categories: Sequence[str],
    *,
    dataset: str,
    pairs: PairSettings = USUAL_PAIRS,
    columns: TableColumns = USUAL_COLUMNS,
    min_side: int,
    max_megapixels: float,
    min_caption_words: int,
    missing_images: MissingImages = "fail",
    exclude_eval_images: bool = False,
    tables_folder: Path,
    report_folder: Path,
    rejected_folder: Path,
    progress: Progress | None = None,
) -> ValidationResult:
    """Check the raw data and write the tables and their report.

    `dataset` is its name, by which published counts are known; `pairs` and `columns` are for the layouts
    fashion200k and table.

    With errors, the report goes to `rejected_folder`, the tables and report of earlier data stay as they
    are, and ValidationFailed says what is wrong. Data that are not in the layout raise ValueError at once.
    """
    raw = read(layout, data_root, categories, pairs=pairs, columns=columns)
    tables = build_tables(raw, data_root, max_megapixels=max_megapixels, progress=progress)
    result = run_checks(
        tables,
        dataset=dataset,
        min_side=min_side,
        max_megapixels=max_megapixels,
        min_caption_words=min_caption_words,
        missing_images=missing_images,
        exclude_eval_images=exclude_eval_images,
    )
    samples = choose_samples(tables, data_root, max_megapixels=max_megapixels)
    near = choose_pairs(result.leakage, data_root, max_megapixels=max_megapixels)
    if result.errors:
        with atomic_folder(rejected_folder) as folder:
            write_report(result, tables, folder, samples=samples, pairs=near)
        raise ValidationFailed(result, rejected_folder / "report.html")
    with atomic_folder(tables_folder) as new_tables, atomic_folder(report_folder) as new_report:
        save_tables(result.kept, new_tables)
        write_report(result, tables, new_report, samples=samples, pairs=near)
    shutil.rmtree(rejected_folder, ignore_errors=True)  # it spoke of data that have been put right
    return result
