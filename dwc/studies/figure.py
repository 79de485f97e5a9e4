"""The figure of a study: dots with intervals for variants, lines for variants along an axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dwc.evaluation.bootstrap import Interval
from dwc.evaluation.wording import SYSTEM_LABELS, measure_label
from dwc.html import COLOURS, INK, MUTED, STYLE
from dwc.studies.comparison import Comparison, Row
from dwc.studies.definition import Study
from dwc.studies.wording import scale_of

_FULL = SYSTEM_LABELS["fused"]


def study_figure(study: Study, comparison: Comparison, measure: str) -> Figure:
    """Draw what was run of a study; `measure` is the primary one."""
    rows = [row for row in comparison.rows if row.value is not None]
    scale = scale_of(measure)
    unit = f"{measure_label(measure)}, %" if scale == 100 else measure_label(measure)
    if study.axis is None:
        return _dots(rows, unit, scale, several_systems=len(study.systems) > 1)
    return _lines(study.axis, rows, unit, scale)


def _dots(rows: Sequence[Row], unit: str, scale: float, *, several_systems: bool) -> Figure:
    with rc_context(STYLE):
        figure = Figure(figsize=(6.8, 1.1 + 0.55 * len(rows)), layout="constrained")
        axes = figure.add_subplot()
    labels = []
    for place, row in enumerate(rows):
        colour = COLOURS[0] if row.is_reference else COLOURS[1]
        assert row.value is not None
        _dot(axes, -place, row.value, colour, scale)
        seeds = [scale * value for value in row.seed_values.values()]
        axes.plot(seeds, [-place - 0.22] * len(seeds), "|", color=MUTED, markersize=6)
        system = f"\n{SYSTEM_LABELS[row.system]}" if several_systems else ""
        labels.append(row.case.variant + system)
    axes.set_yticks([-place for place in range(len(rows))], labels, color=INK)
    axes.set_ylim(-len(rows) + 0.4, 0.6)
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", visible=True)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(f"{unit}: mean over seeds, interval over queries, and each seed (strokes)")
    return figure


def _dot(axes: Axes, height: float, value: Interval, colour: str, scale: float) -> None:
    axes.plot([scale * value.low, scale * value.high], [height, height], color=colour, linewidth=3, alpha=0.4)
    axes.plot(scale * value.value, height, "o", color=colour, markersize=7)
    axes.annotate(
        f"{scale * value.value:.{1 if scale == 100 else 3}f}",
        (scale * value.value, height),
        (0, 7),
        textcoords="offset points",
        ha="center",
        fontsize=8,
        color=INK,
    )


def _lines(axis: str, rows: Sequence[Row], unit: str, scale: float) -> Figure:
    """Values along the axis and, for several variants, their differences to the first."""
    variants = list(dict.fromkeys(row.case.variant for row in rows))
    panels = 2 if len(variants) > 1 else 1
    with rc_context(STYLE):
        figure = Figure(figsize=(5.2 if panels == 1 else 9.6, 3.4), layout="constrained")
        every = figure.subplots(1, panels, squeeze=False)[0]
    values, *others = every
    for number, variant in enumerate(variants):
        mine = [row for row in rows if row.case.variant == variant]
        _line(values, mine, {id(row): row.value for row in mine}, COLOURS[number], variant, scale)
        for row in mine:
            points = [scale * value for value in row.seed_values.values()]
            values.plot(
                [row.case.level] * len(points), points, ".", color=COLOURS[number], alpha=0.5, markersize=4
            )
        for axes in others if number else ():
            _line(axes, mine, {id(row): row.difference for row in mine}, COLOURS[number], variant, scale)
    values.set_ylabel(unit)
    if others:
        others[0].axhline(0, color=COLOURS[0], linewidth=1.5)
        others[0].set_ylabel(f"difference to {variants[0]}, " + ("points" if scale == 100 else unit))
        values.legend(fontsize=8, frameon=False, labelcolor=INK)
    for axes in every:
        axes.set_xlabel(axis)
        axes.set_xticks(sorted({row.case.level for row in rows if row.case.level is not None}))
    return figure


def _line(
    axes: Axes,
    rows: Sequence[Row],
    intervals: Mapping[int, Interval | None],
    colour: str,
    label: str,
    scale: float,
) -> None:
    known = [(row.case.level, interval) for row in rows if (interval := intervals[id(row)]) is not None]
    if not known:
        return
    levels = np.array([level for level, _ in known], dtype=np.float64)
    low, value, high = (
        scale * np.array([getattr(interval, name) for _, interval in known])
        for name in ("low", "value", "high")
    )
    axes.fill_between(levels, low, high, color=colour, alpha=0.13, linewidth=0)
    axes.plot(levels, value, "o-", color=colour, linewidth=1.8, markersize=5, label=label)
