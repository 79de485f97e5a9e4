"""The results as a table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from dwc.evaluation.wording import (
    interval_text,
    measure_label,
    shown_measures,
    value_text,
)

_SHORT_LABELS = {
    "fused": "DWC",
    "cnn": "CNN stream",
    "clip": "CLIP stream",
    "clip_image_only": "CLIP image",
    "clip_text_only": "CLIP text",
    "clip_sum": "CLIP sum",
}


def result_table(metrics: Mapping[str, Any]) -> Table:
    """Systems by measures, means over categories, each value above its interval; fits 80 columns.

    metrics: what `evaluate` measured, or metrics/evaluate.json read back in full.
    """
    measures = shown_measures(metrics)
    confidence = metrics["bootstrap"]["confidence"]
    table = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
        caption=f"{metrics['queries']:,} queries, {metrics['protocol']['key']}; recall in %, mean over "
        f"categories; below each value its {confidence:.0%} interval",
        caption_justify="left",
    )
    table.add_column("")
    for measure in measures:
        table.add_column(measure_label(measure).replace("Relevant", "Rel."), justify="right")
    for system, parts in metrics["systems"].items():
        style = "bold" if system == "fused" else ""
        cells = [_cell(measure, parts["mean"][measure], style) for measure in measures]
        table.add_row(Text(_SHORT_LABELS[system], style=style), *cells)
    return table


def _cell(measure: str, entry: Mapping[str, float | None], style: str) -> Text:
    value = Text(value_text(measure, entry["value"]), style=style)
    interval = (
        interval_text(measure, entry).replace("0.", ".")
        if measure == "mrr"
        else interval_text(measure, entry)
    )
    return value.append("\n" + interval, style="not bold dim")
