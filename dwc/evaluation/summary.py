"""Turning measures of single queries into the nested results that are kept, tracked and shown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from dwc.evaluation.baselines import BASELINES
from dwc.evaluation.bootstrap import Interval, Resampling, mean_intervals, paired_difference
from dwc.evaluation.encoded import EncodedQueries
from dwc.evaluation.gaps import Gap, completeness, totals
from dwc.evaluation.protocols import Protocol, SearchTask


@dataclass(frozen=True)
class Measures:
    """One system on one category: the rank of each query's best hit, and each measure of each query."""

    ranks: Float[np.ndarray, " queries"]
    by_name: dict[str, Float[np.ndarray, " queries"]]


BySystem = Mapping[str, Mapping[str, Measures]]


def summarise(
    tasks: Sequence[SearchTask],
    measures: BySystem,
    queries: EncodedQueries,
    protocol: Protocol,
    primary_metric: str,
    resampling: Resampling,
    gaps: Mapping[str, Gap],
) -> dict[str, Any]:
    """Nested plain values for JSON; numbers that do not exist are null.

    measures: system -> category -> Measures; gaps: category -> what is missing. The result's `systems` holds,
    for each system, the mean over categories under `mean` and every category, each as
    measure -> {value, low, high}; `published` counts what the data set names, and what of it is missing.
    Raises ValueError if `primary_metric` is not measured.
    """
    systems = _systems(measures, resampling)
    _require_measured(primary_metric, systems["fused"]["mean"])
    total = totals(gaps, tasks)
    return {
        "protocol": {
            "key": protocol.key(),
            "description": protocol.describe(),
            "completeness": completeness(total),
            **asdict(protocol),
        },
        "bootstrap": asdict(resampling),
        "primary_metric": primary_metric,
        "queries": sum(len(task.triplets) for task in tasks),
        "published": total,
        "queries_without_hit": int(sum(np.isinf(part.ranks).sum() for part in measures["fused"].values())),
        "categories": {
            task.category: {
                "queries": len(task.triplets),
                "gallery_images": len(task.gallery),
                "missing_images": gaps[task.category].images,
                "missing_queries": gaps[task.category].queries,
            }
            for task in tasks
        },
        "systems": systems,
        "best_baseline": _best_baseline(systems, measures, primary_metric, resampling),
        "image_weight": {
            "cnn": _distribution(queries.cnn_image_weight),
            "clip": _distribution(queries.clip_image_weight),
        },
    }


def flat_metrics(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The values without intervals under names such as `fused.recall_at_10` and `fused.dress.mrr`."""
    flat = {
        ".".join((system, measure) if part == "mean" else (system, part, measure)): float(entry["value"])
        for system, parts in metrics["systems"].items()
        for part, measured in parts.items()
        for measure, entry in measured.items()
        if entry["value"] is not None
    }
    missing = {name: float(metrics["published"][name]) for name in ("missing_images", "missing_queries")}
    weights = {
        f"image_weight.{stream}": float(entry["mean"]) for stream, entry in metrics["image_weight"].items()
    }
    return flat | missing | weights


def headline_metrics(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Small nested part of the results for a metrics file: protocol key, sizes, and each system's means."""
    return {
        "protocol": metrics["protocol"]["key"],
        "queries": metrics["queries"],
        "missing_queries": metrics["published"]["missing_queries"],
        "missing_images": metrics["published"]["missing_images"],
        **{
            system: {
                measure: entry["value"]
                for measure, entry in parts["mean"].items()
                if entry["value"] is not None
            }
            for system, parts in metrics["systems"].items()
        },
        "image_weight": {stream: entry["mean"] for stream, entry in metrics["image_weight"].items()},
    }


def _systems(measures: BySystem, resampling: Resampling) -> dict[str, dict[str, dict[str, Any]]]:
    """System -> `mean` or category -> measure -> {value, low, high}."""
    columns = [
        (system, name) for system, parts in measures.items() for name in next(iter(parts.values())).by_name
    ]
    categories = list(next(iter(measures.values())))
    values = {
        category: np.stack([measures[system][category].by_name[name] for system, name in columns], axis=1)
        for category in categories
    }
    systems: dict[str, dict[str, dict[str, Any]]] = {system: {} for system in measures}
    for part, intervals in mean_intervals(values, resampling).items():
        for (system, name), interval in zip(columns, intervals, strict=True):
            systems[system].setdefault(part, {})[name] = _plain(interval)
    for system, parts in measures.items():
        medians = {category: float(np.median(part.ranks)) for category, part in parts.items()}
        for part, median in {"mean": float(np.mean(list(medians.values()))), **medians}.items():
            systems[system][part]["median_rank"] = {"value": _number(median)}
    return systems


def _best_baseline(
    systems: Mapping[str, Mapping[str, Mapping[str, Any]]],
    measures: BySystem,
    metric: str,
    resampling: Resampling,
) -> dict[str, Any]:
    """The strongest baseline by the primary metric, and how far the fused system is ahead of it."""
    name = max(BASELINES, key=lambda system: systems[system]["mean"][metric]["value"])
    fused, baseline = (systems[system]["mean"][metric]["value"] for system in ("fused", name))
    first, second = (
        {category: part.by_name[metric] for category, part in measures[system].items()}
        for system in ("fused", name)
    )
    return {
        "name": name,
        "ratio": _number(fused / baseline) if baseline else None,
        "difference": _plain(paired_difference(first, second, resampling)),
    }


def _require_measured(metric: str, measured: Mapping[str, Mapping[str, Any]]) -> None:
    if metric not in measured or "low" not in measured[metric] or measured[metric]["value"] is None:
        known = ", ".join(name for name, entry in measured.items() if "low" in entry)
        raise ValueError(f"evaluate.primary_metric `{metric}` is not measured here. Choose one of {known}.")


def _distribution(weights: Float[Tensor, " queries"]) -> dict[str, float]:
    values = weights.detach().cpu().double().numpy()
    low, median, high = np.quantile(values, [0.05, 0.5, 0.95])
    return {
        "mean": float(values.mean()), "std": float(values.std()),
        "percentile_5": float(low), "median": float(median), "percentile_95": float(high),
    }  # fmt: skip


def _plain(interval: Interval) -> dict[str, float | None]:
    return {name: _number(number) for name, number in asdict(interval).items()}


def _number(number: float) -> float | None:
    """JSON has neither NaN nor infinity."""
    return float(number) if math.isfinite(number) else None
