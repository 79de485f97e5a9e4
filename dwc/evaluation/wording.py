"""How systems, measures and values are called and written, in the terminal and in the report alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SYSTEM_LABELS = {
    "fused": "DWC, both streams",
    "cnn": "CNN stream alone",
    "clip": "CLIP stream alone",
    "clip_image_only": "CLIP, image only",
    "clip_text_only": "CLIP, text only",
    "clip_sum": "CLIP, image + text",
}

Entry = Mapping[str, float | None]


def measure_label(measure: str) -> str:
    """Short column heading of a measure: `recall_at_10` -> `R@10`."""
    kind, at, number = measure.rpartition("_at_")
    if at:
        return {"recall": "R@", "relevant_recall": "Relevant R@"}[kind] + number
    return {"mrr": "MRR", "median_rank": "Median rank"}[measure]


def value_text(measure: str, value: float | None) -> str:
    """A measured value as people read it: recall in percent, MRR as a share, ranks as they are."""
    if value is None:
        return "–"
    if "recall" in measure:
        return "100" if value == 1 else f"{100 * value:.1f}"
    return f"{value:.3f}" if measure == "mrr" else f"{value:.1f}".removesuffix(".0")


def interval_text(measure: str, entry: Entry) -> str:
    """Bounds of a value's interval, such as `43.1–47.6`; empty where it has none."""
    if entry.get("low") is None:
        return ""
    return f"{value_text(measure, entry['low'])}–{value_text(measure, entry['high'])}"


def shown_measures(metrics: Mapping[str, Any]) -> list[str]:
    """Measures in reading order: recalls, relevant-set recall at the primary measure's k where known, MRR."""
    mean = metrics["systems"]["fused"]["mean"]
    measured = [name for name, entry in mean.items() if "low" in entry and entry["value"] is not None]
    recalls = [name for name in measured if name.startswith("recall_at_")]
    relevant = f"relevant_recall_at_{cutoff(metrics['primary_metric'])}"
    return [*recalls, *(name for name in measured if name == relevant), "mrr"]


def cutoff(measure: str) -> int | None:
    """The k of a recall at k, None for other measures."""
    number = measure.rpartition("_at_")[2]
    return int(number) if number.isdecimal() else None
