"""The report's figures. Each function returns a matplotlib figure and touches nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dwc.evaluation.wording import SYSTEM_LABELS, measure_label
from dwc.html import COLOURS, INK, MUTED, RULE, figure_axes

SYSTEM_COLOURS = {
    "fused": COLOURS[0],
    "cnn": COLOURS[1],
    "clip": COLOURS[2],
    "clip_image_only": MUTED,
    "clip_text_only": MUTED,
    "clip_sum": MUTED,
}
_DASHES = {"clip_image_only": ":", "clip_text_only": "--", "clip_sum": "-"}
_STREAMS = {"cnn": "CNN stream", "clip": "CLIP stream"}
_QUANTITIES = ("contrastive", "mutual", "loss", "recall", "accuracy")


def systems_figure(metrics: Mapping[str, Any]) -> Figure:
    """The primary measure of every system with its interval, best seen as distances on one scale."""
    measure = metrics["primary_metric"]
    figure, axes = figure_axes(5.2, 3.0)
    names = list(metrics["systems"])[::-1]
    for height, name in enumerate(names):
        entry = metrics["systems"][name]["mean"][measure]
        value, low, high = (100 * entry[part] for part in ("value", "low", "high"))
        axes.plot([low, high], [height, height], color=SYSTEM_COLOURS[name], linewidth=2.5, alpha=0.45)
        axes.plot(value, height, "o", color=SYSTEM_COLOURS[name], markersize=7)
        axes.annotate(
            f"{value:.1f}",
            (value, height),
            (0, 7),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            color=INK,
        )
    axes.set_yticks(range(len(names)), [SYSTEM_LABELS[name] for name in names])
    axes.set_ylim(-0.6, len(names) - 0.25)
    axes.set_xlim(left=0)
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", visible=True)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(f"{measure_label(measure)}, %")
    return figure


def recall_figure(rankings: pd.DataFrame, limit: int) -> Figure:
    """Recall at every k up to `limit`, mean over categories; rankings: the rankings table."""
    figure, axes = figure_axes(5.2, 3.0)
    cutoffs = np.arange(1, limit + 1)
    for name, rows in rankings.groupby("system", sort=False):
        system = str(name)
        parts = [_recall_curve(part["rank"], cutoffs) for _, part in rows.groupby("category")]
        axes.plot(
            cutoffs,
            100 * np.mean(parts, axis=0),
            color=SYSTEM_COLOURS[system],
            linestyle=_DASHES.get(system, "-"),
            linewidth=2.2 if system == "fused" else 1.4,
            label=SYSTEM_LABELS[system],
        )
    axes.set_xlim(1, limit)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("first k images")
    axes.set_ylabel("queries with a hit, %")
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.45, -0.2), ncols=3, fontsize=8, frameon=False, labelcolor=INK
    )
    return figure


def _recall_curve(ranks: pd.Series, cutoffs: np.ndarray) -> np.ndarray:
    found = np.sort(ranks.dropna().to_numpy(np.float64))
    return np.searchsorted(found, cutoffs, side="right") / len(ranks)


def curve_figures(curve: pd.DataFrame) -> dict[str, Figure]:
    """Caption -> figure for each quantity of a training curve, one line a stream.

    curve: one row an epoch with a column `epoch`; a quantity is any column that names a loss, a recall or an
    accuracy, with `cnn` or `clip` as one of its words where it belongs to one stream.
    """
    groups: dict[str, dict[str, str]] = {}
    for column in curve.columns:
        stream, quantity = _stream_and_quantity(column)
        if any(word in quantity for word in _QUANTITIES) and curve[column].notna().any():
            groups.setdefault(quantity, {})[stream] = column
    return {_caption(quantity): _curve_figure(curve, columns) for quantity, columns in groups.items()}


def _stream_and_quantity(column: str) -> tuple[str, str]:
    """`heldout_cnn_recall_at_10` -> (`cnn`, `heldout_recall_at_10`); no stream: `fused`."""
    words = column.split("_")
    stream = next((word for word in words if word in _STREAMS), "fused")
    return stream, "_".join(word for word in words if word != stream)


def _caption(quantity: str) -> str:
    words = quantity.replace("recall_at_", "R@").replace("_", " ").replace("heldout", "held-out")
    words = f"{words} loss" if words in ("contrastive", "mutual") else words
    return words[0].upper() + words[1:] + (", %" if "recall" in quantity else "")


def _curve_figure(curve: pd.DataFrame, columns: Mapping[str, str]) -> Figure:
    """One quantity by epoch; columns: stream -> column."""
    figure, axes = figure_axes(5.2, 2.4)
    for stream, column in columns.items():
        known = curve[["epoch", column]].dropna()
        percent = known[column] * (100 if "recall" in column else 1)
        axes.plot(
            known["epoch"],
            percent,
            color=SYSTEM_COLOURS[stream],
            linewidth=1.8,
            marker="o",
            markersize=3,
            label=_STREAMS.get(stream, "both streams"),
        )
        if "recall" in column and stream == "fused":
            _mark_best(axes, known["epoch"], percent)
    if "recall" in "".join(columns.values()):
        axes.set_ylim(bottom=0)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(columns) > 1:
        axes.legend(frameon=False, labelcolor=INK)
    return figure


def _mark_best(axes: Axes, epochs: pd.Series, values: pd.Series) -> None:
    best = int(values.to_numpy().argmax())
    epoch, value = float(epochs.iloc[best]), float(values.iloc[best])
    axes.plot(epoch, value, "o", markersize=9, markerfacecolor="none", color=SYSTEM_COLOURS["fused"])
    axes.annotate(
        f"best, epoch {epoch:g}: {value:.1f}", (epoch, value), (0, -14), textcoords="offset points",
        ha="right", fontsize=8, color=INK,
    )  # fmt: skip


def weight_figure(weights: np.ndarray, stream: str, mean: float) -> Figure:
    """Histogram of one stream's image weights, 0 (text alone) to 1 (image alone)."""
    figure, axes = figure_axes(5.2, 2.2)
    axes.hist(weights, bins=np.linspace(0, 1, 41).tolist(), color=SYSTEM_COLOURS[stream], alpha=0.85)
    axes.axvline(0.5, color=RULE, linewidth=1.5, zorder=0)
    axes.axvline(mean, color=MUTED, linestyle="--", linewidth=1.2)
    right = mean < 0.75
    axes.annotate(
        f"mean {mean:.2f}", (mean, 0.93), (5 if right else -5, 0), xycoords=("data", "axes fraction"),
        textcoords="offset points", ha="left" if right else "right", fontsize=8, color=INK,
    )  # fmt: skip
    axes.set_ylim(top=axes.get_ylim()[1] * 1.15)
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0\ntext alone", "0.25", "0.5", "0.75", "1\nimage alone"])
    axes.set_ylabel("queries")
    return figure


def kinds_figure(weights: Mapping[str, np.ndarray], stream: str) -> Figure:
    """One stream's image weights for each kind of change, a small histogram a row, with its median.

    weights: kind -> image weights of the queries that ask for it, first on top; every kind has some.
    """
    figure, axes = figure_axes(5.2, 0.5 + 0.42 * len(weights))
    edges = np.linspace(0, 1, 41)
    for height, values in enumerate(reversed(list(weights.values()))):
        counts = np.histogram(values, edges)[0]
        top = height + 0.82 * counts / counts.max()
        axes.stairs(top, edges, baseline=height, fill=True, color=SYSTEM_COLOURS[stream], alpha=0.85)
        median = float(np.median(values))
        axes.plot([median, median], [height, height + 0.82], color=INK, linewidth=1.4)
    axes.axvline(0.5, color=RULE, linewidth=1.5, zorder=0)
    _name_rows(axes, weights)
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0\ntext alone", "0.25", "0.5", "0.75", "1\nimage alone"])
    return figure


def _name_rows(axes: Axes, weights: Mapping[str, np.ndarray]) -> None:
    """The kinds at the left, each with its number of queries."""
    names = [f"{kind} ({len(values):,})" for kind, values in weights.items()][::-1]
    axes.set_yticks(np.arange(len(names)) + 0.3, names)
    axes.set_ylim(-0.05, len(names))
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
