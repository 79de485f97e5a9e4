"""What a finished pipeline shows on its page: the figures, and the way to MLflow and the report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prefect.artifacts import create_link_artifact, create_table_artifact

from dwc.evaluation.wording import SYSTEM_LABELS, interval_text, measure_label, shown_measures, value_text
from dwc.registry import tracking
from dwc.registry.pages import run_page, version_page
from flows.stage import BUILD, read_record

EVALUATION = BUILD / "evaluation"


def show_result(stages: Sequence[str]) -> None:
    """Show the figures of the last evaluation, and link to the runs in MLflow, the model and the report.

    stages: those that the pipeline has brought up to date; of others nothing is shown.
    """
    tracking.configure(None, Path.cwd())
    if "evaluate" in stages:
        metrics = json.loads((EVALUATION / "metrics.json").read_text(encoding="utf-8"))
        create_table_artifact(result_rows(metrics), key="result", description=_description(metrics))
    for key, (text, address) in links(stages).items():
        create_link_artifact(address, text, key=key, description=f"[{text}]({address})")


def result_rows(metrics: Mapping[str, Any]) -> list[dict[str, str]]:
    """One row for each system with its measures, means over categories, and their intervals."""
    measures = shown_measures(metrics)
    return [
        {"system": SYSTEM_LABELS[system]}
        | {measure_label(name): _figure(name, parts["mean"][name]) for name in measures}
        for system, parts in metrics["systems"].items()
    ]


def links(stages: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Artifact key -> text and address of a page; none where MLflow is a file that nobody serves."""
    found: dict[str, tuple[str, str | None]] = {}
    trained, evaluated = read_record("train"), read_record("evaluate")
    if "train" in stages and trained:
        found["mlflow-train"] = "Training in MLflow", run_page(trained["run_id"])
        if "model_version" in trained:
            name, version = trained["model_name"], trained["model_version"]
            found["model-version"] = f"{name} version {version}", version_page(name, version)
    if "evaluate" in stages and evaluated:
        found["mlflow-evaluate"] = "Evaluation in MLflow", run_page(evaluated["run_id"])
        found["report"] = "Report", run_page(evaluated["run_id"], "evaluation/report.html")
    return {key: (text, address) for key, (text, address) in found.items() if address}


def _figure(measure: str, entry: Mapping[str, float | None]) -> str:
    interval = interval_text(measure, entry)
    value = value_text(measure, entry["value"])
    return f"{value} ({interval})" if interval else value


def _description(metrics: Mapping[str, Any]) -> str:
    return (
        f"{metrics['queries']:,} queries, {metrics['protocol']['key']}; recall in %, with its "
        f"{metrics['bootstrap']['confidence']:.0%} interval. Report: {EVALUATION / 'report.html'}"
    )
