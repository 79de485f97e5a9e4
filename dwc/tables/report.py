"""The findings as a page to read (report.html), as data (results.json) and as the rows left out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.ticker import MaxNLocator

from dwc.html import figure_axes, figure_svg, render
from dwc.schema import SPLITS
from dwc.tables.build import Tables
from dwc.tables.result import ValidationResult
from dwc.tables.samples import Pair, Sample
from dwc.tables.summary import count_categories

EXAMPLES_SHOWN = 10
QUARANTINED_SHOWN = 50
_CAUSES = {
    "missing_image": "for want of an image",
    "evaluation_image": "with an image that evaluation uses",
    "self_pair": "whose reference is the target",
    "no_text": "without text",
    "layout": "that the layout cannot use",
}


def write_report(
    result: ValidationResult,
    tables: Tables,
    folder: Path,
    *,
    samples: Sequence[Sample] = (),
    pairs: Sequence[Pair] = (),
) -> None:
    """Write report.html, results.json and three lists into the folder; same findings, same bytes.

    quarantine.csv and left_out_images.csv hold what is not used, near_duplicates.csv the evaluation images
    that nearly equal a training image.
    """
    (folder / "report.html").write_text(_page(result, tables, samples, pairs), encoding="utf-8")
    results = json.dumps(_results(result), ensure_ascii=False, indent=1)
    (folder / "results.json").write_text(results + "\n", encoding="utf-8")
    _write_csv(_quarantine_rows(result.quarantined), folder / "quarantine.csv")
    _write_csv(_image_rows(result.kept.left_out.images), folder / "left_out_images.csv")
    _write_csv(result.leakage.near_duplicates, folder / "near_duplicates.csv")


def _write_csv(rows: pd.DataFrame, path: Path) -> None:
    rows.to_csv(path, index=False, lineterminator="\n", encoding="utf-8", errors="backslashreplace")


def _results(result: ValidationResult) -> dict[str, Any]:
    checks = [{**asdict(check), "success": check.success} for check in result.checks]
    return {
        "success": not result.errors,
        "recognised": result.recognised,
        "counts": result.counts,
        "checks": checks,
    }


def _quarantine_rows(quarantined: pd.DataFrame) -> pd.DataFrame:
    columns = ["triplet_id", "source", "record", "reason", "reference_id", "target_id", "captions"]
    return quarantined[columns].assign(captions=quarantined["captions"].map(" | ".join))


def _image_rows(images: pd.DataFrame) -> pd.DataFrame:
    rows = images[["image_id", "reason", "path", "galleries"]]
    return rows.assign(galleries=rows["galleries"].map(" ".join)).rename(columns={"galleries": "lists"})


def _page(result: ValidationResult, tables: Tables, samples: Sequence[Sample], pairs: Sequence[Pair]) -> str:
    left = result.kept.left_out
    failed = [*result.errors, *result.warnings]
    return render(
        "validation.html.j2",
        result=result,
        failed=failed,
        passed=[check for check in result.checks if check.success],
        splits=SPLITS,
        categories=count_categories(tables),
        titled=int(tables.images["title"].notna().sum()),
        figures=_figures(tables),
        missing_images=_image_rows(left.images[left.images["cause"] == "missing_image"]).to_dict("records"),
        causes=[(_CAUSES[name], number) for name, number in Counter(left.triplets["cause"]).most_common()],
        samples=samples,
        pairs=pairs,
        quarantined=_quarantine_rows(result.quarantined).to_dict("records"),
        examples_shown=EXAMPLES_SHOWN,
        quarantined_shown=QUARANTINED_SHOWN,
    )


def _figures(tables: Tables) -> list[tuple[Markup, str]]:
    """(figure, caption) of the distributions; one without any value is left out."""
    readable = tables.images[tables.images["width"] > 0]
    sides = readable[["width", "height"]].min(axis=1).to_numpy()
    words = [len(caption.split()) for captions in tables.triplets["captions"] for caption in captions]
    figures = [("Shorter side", "pixels", "images", sides), ("Caption", "words", "captions", np.array(words))]
    return [_figure(*figure) for figure in figures if len(figure[-1])]


def _figure(what: str, unit: str, counted: str, values: np.ndarray) -> tuple[Markup, str]:
    low, middle, high = (int(value) for value in np.percentile(values, [0, 50, 100]))
    if low == high:
        return Markup(), f"{what}: {low:,} {unit}, the same for all {len(values):,} {counted}."
    told = f"{what}: {low:,} to {high:,} {unit}, half of them {middle:,} or fewer."
    return _histogram(values, f"{unit} of the {what.lower()}", counted), told


def _histogram(values: np.ndarray, along: str, counted: str) -> Markup:
    """Bars over whole numbers: one for each value while they are few, else 40 of equal width."""
    low, high = int(values.min()), int(values.max())
    width = max(1, -(-(high - low + 1) // 40))
    edges = np.arange(low, high + width + 1, width) - 0.5
    heights, _ = np.histogram(values, edges)
    figure, axes = figure_axes(5.2, 2.4)
    axes.bar(edges[:-1] + width / 2, heights, width=0.86 * width)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_xlabel(along)
    axes.set_ylabel(counted)
    return figure_svg(figure, f"Histogram of {along}")
