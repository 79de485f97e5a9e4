"""The evaluation report: one self-contained page for people who decide whether a model is good enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from dwc.evaluation.evaluate import Evaluation
from dwc.evaluation.examples import Album, best_queries, worst_queries
from dwc.evaluation.explained import show_examples
from dwc.evaluation.explanation import ExplainedQuery
from dwc.evaluation.figures import (
    curve_figures,
    kinds_figure,
    recall_figure,
    systems_figure,
    weight_figure,
)
from dwc.evaluation.kinds import weights_by_kind
from dwc.evaluation.published import Comparison, comparison
from dwc.evaluation.wording import SYSTEM_LABELS, interval_text, measure_label, shown_measures, value_text
from dwc.files import write_text
from dwc.html import figure_svg, render
from dwc.store.dataset import Store


def write_report(
    file: Path,
    evaluation: Evaluation,
    store: Store,
    images: pd.DataFrame,
    relevant: Mapping[str, Sequence[str]],
    *,
    dataset: str,
    facts: Mapping[str, str],
    train_curve: pd.DataFrame | None = None,
    adapt_curve: pd.DataFrame | None = None,
    noise: Mapping[str, Sequence[str]] | None = None,
    explanations: Mapping[str, ExplainedQuery] | None = None,
    examples: int = 6,
) -> None:
    """Write the report whole or not at all.

    images: the images table; relevant: triplet_id -> ids of all images that satisfy the query, where known;
    facts: where the results come from, label -> value in the order shown (date, model version, run ids, git
    revision); curves: one row an epoch; noise: triplet_id -> kind of each caption's noise, where known;
    explanations: triplet_id -> explanation, of the queries to explain in the order shown; examples: queries
    shown of the best, and of the worst.
    """
    metrics, rankings = evaluation.metrics, evaluation.rankings
    fused = rankings[rankings["system"] == "fused"]
    album = Album(
        store=store,
        rankings=fused,
        labels=dict(zip(images["image_id"], images["label"], strict=True)),
        relevant=relevant,
        noise=noise or {},
        gallery_sizes={name: part["gallery_images"] for name, part in metrics["categories"].items()},
    )
    page = render(
        "evaluation.html.j2",
        dataset=dataset,
        facts=facts,
        metrics=metrics,
        confidence=f"{metrics['bootstrap']['confidence']:.0%}",
        primary=measure_label(metrics["primary_metric"]),
        tiles=_tiles(metrics),
        tables=_tables(metrics),
        comparison=_comparison(dataset, metrics),
        results=_result_figures(metrics, rankings),
        curves=_curves(train_curve),
        adapt_curves=_curves(adapt_curve),
        weights=_weight_figures(metrics, fused),
        weights_by_kind=_kind_figures(fused, store),
        explained=show_examples(explanations or {}, album),
        best=album.examples(best_queries(fused, examples)),
        worst=album.examples(worst_queries(fused, examples)),
        relevant_known=bool(relevant),
    )
    write_text(file, page)


def _tiles(metrics: Mapping[str, Any]) -> list[dict[str, str]]:
    """Headline figures: value, what it is, and a remark."""
    measure, best = metrics["primary_metric"], metrics["best_baseline"]
    entry = metrics["systems"]["fused"]["mean"][measure]
    label, confidence = measure_label(measure), f"{metrics['bootstrap']['confidence']:.0%}"
    unit = " %" if "recall" in measure else ""
    baseline = metrics["systems"][best["name"]]["mean"][measure]["value"]
    sizes = [part["gallery_images"] for part in metrics["categories"].values()]
    weights = metrics["image_weight"]
    return [
        {
            "value": value_text(measure, entry["value"]) + unit,
            "name": f"{label}, both streams",
            "remark": f"{confidence} interval {interval_text(measure, entry)}{unit}",
        },
        {
            "value": f"{best['ratio']:.2f} ×" if best["ratio"] is not None else "–",
            "name": "the best baseline",
            "remark": f"{SYSTEM_LABELS[best['name']]}: {value_text(measure, baseline)}{unit}",
        },
        {
            "value": f"{metrics['queries']:,}",
            "name": "queries",
            "remark": f"{_plural(len(sizes), 'category', 'categories')}, {_span(sizes)} images to search",
        },
        {
            "value": f"{weights['cnn']['mean']:.2f} · {weights['clip']['mean']:.2f}",
            "name": "mean image weight",
            "remark": "CNN stream · CLIP stream",
        },
    ]


def _plural(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _span(sizes: Sequence[int]) -> str:
    return f"{min(sizes):,}" if min(sizes) == max(sizes) else f"{min(sizes):,}–{max(sizes):,}"


def _tables(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The table of means and one for each category, as texts."""
    measures = shown_measures(metrics)
    tables = []
    for part in ("mean", *metrics["categories"]):
        rows = [
            {
                "system": SYSTEM_LABELS[name],
                "best": name == "fused",
                "cells": [
                    (
                        value_text(measure, parts[part][measure]["value"]),
                        interval_text(measure, parts[part][measure]),
                    )
                    for measure in (*measures, "median_rank")
                ],
            }
            for name, parts in metrics["systems"].items()
        ]
        headings = [measure_label(measure) for measure in (*measures, "median_rank")]
        tables.append({"part": part, "headings": headings, "rows": rows})
    return tables


def _comparison(dataset: str, metrics: Mapping[str, Any]) -> dict[str, Any] | None:
    """The published table with this measurement put in at its place by the last recall."""
    found: Comparison | None = comparison(dataset, metrics)
    if found is None:
        return None
    ours = {k: 100 * metrics["systems"]["fused"]["mean"][f"recall_at_{k}"]["value"] for k in found.cutoffs}
    rows: list[dict[str, Any]] = [
        {
            "method": row.method,
            "backbone": row.backbone,
            "recall": row.recall,
            "note": row.note,
            "ours": False,
        }
        for row in found.rows
    ]
    rows.append({"method": "This model", "backbone": "", "recall": ours, "note": "", "ours": True})
    rows.sort(key=lambda row: row["recall"].get(found.cutoffs[-1], 0.0))
    return {"cutoffs": found.cutoffs, "rows": rows, "deviations": found.deviations}


def _result_figures(metrics: Mapping[str, Any], rankings: pd.DataFrame) -> list[tuple[str, Markup]]:
    recalls = [
        int(name.rpartition("_")[2]) for name in shown_measures(metrics) if name.startswith("recall_at_")
    ]
    label = measure_label(metrics["primary_metric"])
    captions = (f"{label} of every system with its interval", "Recall by the number of images looked at")
    figures = (systems_figure(metrics), recall_figure(rankings, max(recalls, default=50)))
    return [(caption, figure_svg(figure, caption)) for caption, figure in zip(captions, figures, strict=True)]


def _curves(curve: pd.DataFrame | None) -> list[tuple[str, Markup]]:
    if curve is None or curve.empty:
        return []
    return [(caption, figure_svg(figure, caption)) for caption, figure in curve_figures(curve).items()]


def _weight_figures(metrics: Mapping[str, Any], fused: pd.DataFrame) -> list[tuple[str, Markup]]:
    figures = []
    for stream, name in (("cnn", "CNN stream"), ("clip", "CLIP stream")):
        weights = fused[f"image_weight_{stream}"].to_numpy()
        figure = weight_figure(weights, stream, metrics["image_weight"][stream]["mean"])
        figures.append((name, figure_svg(figure, f"Histogram of the image weight, {name}")))
    return figures


def _kind_figures(fused: pd.DataFrame, store: Store) -> list[tuple[str, Markup]]:
    figures = []
    for stream, name in (("cnn", "CNN stream"), ("clip", "CLIP stream")):
        weights = weights_by_kind(fused, store, f"image_weight_{stream}")
        if weights:
            label = f"Histograms of the image weight by kind of change, {name}"
            figures.append((name, figure_svg(kinds_figure(weights, stream), label)))
    return figures
