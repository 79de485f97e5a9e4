"""The evaluate stage: recall by the benchmark's protocol, the ranked pictures and the report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import cast

import pandas as pd
from prefect import flow

from dwc.evaluation.asked import asked_protocol
from dwc.evaluation.bootstrap import Resampling
from dwc.evaluation.encode import encode_gallery, encode_queries
from dwc.evaluation.encoded import EncodedQueries, Streams
from dwc.evaluation.evaluate import Evaluation
from dwc.evaluation.evaluate import evaluate as measure
from dwc.evaluation.examples import best_queries, worst_queries
from dwc.evaluation.explainer import Explainer, explain_triplets
from dwc.evaluation.explanation import ExplainedQuery
from dwc.evaluation.gaps import with_left_out
from dwc.evaluation.protocols import (
    Protocol,
    SearchTask,
    Selection,
    all_gallery_rows,
    all_triplets,
    search_tasks,
)
from dwc.evaluation.queries import save_queries
from dwc.evaluation.report import write_report
from dwc.evaluation.summary import flat_metrics, headline_metrics
from dwc.files import atomic_folder, write_text
from dwc.model.bundle import load_bundle
from dwc.model.precision import pick_device, uses_bf16
from dwc.store.dataset import Store
from dwc.store.texts import clean
from dwc.tables.build import Tables, load_tables
from flows.stage import BUILD, METRICS, Stage, read_record, stage

EVALUATION = BUILD / "evaluation"
CURVES = BUILD / "curves"
_CHANGED = {"true": " with changes"}


@flow(name="evaluate")
@stage("data", "preprocess", "evaluate")
def evaluate(stage: Stage) -> None:
    """Let every query search its gallery, and measure and show what it finds."""
    settings = stage.params.evaluate
    protocol = asked_protocol(stage.params, cast(Selection, read_record("train")["selection"]))
    stage.run.tag({"dwc.protocol": protocol.key()})
    tables = load_tables(BUILD / "tables")
    store = Store(BUILD / "store", BUILD / "features")
    listed = with_left_out(tables.images, tables.left_out.images)
    tasks = search_tasks(listed, store.triplets, store.image_ids, protocol)
    streams, queries = _encode(stage, store, tasks, settings.batch_size)
    found = stage.step("Search", _measure, stage, tables, store, tasks, streams, queries, protocol)
    explanations = stage.step("Explain queries", _explain, stage, found, tables, store, tasks, streams)
    _save(stage, found, tables, store, explanations)
    stage.run.log_metrics(flat_metrics(found.metrics))
    stage.log_dataset(f"{settings.split}-queries", all_triplets(tasks))
    _tell(stage, found)


def _encode(
    stage: Stage, store: Store, tasks: list[SearchTask], batch_size: int
) -> tuple[Streams, EncodedQueries]:
    device = pick_device("auto")
    bf16 = uses_bf16("auto", device)
    model = load_bundle(BUILD / "model", device)
    gallery = stage.step(
        "Embed galleries",
        encode_gallery,
        model,
        store,
        all_gallery_rows(tasks),
        batch_size=batch_size,
        bf16=bf16,
        progress=stage.progress("gallery pictures"),
    )
    queries = stage.step(
        "Embed queries",
        encode_queries,
        model,
        store,
        all_triplets(tasks),
        batch_size=batch_size,
        bf16=bf16,
        progress=stage.progress("queries"),
    )
    return gallery, queries


def _measure(
    stage: Stage,
    tables: Tables,
    store: Store,
    tasks: list[SearchTask],
    streams: Streams,
    queries: EncodedQueries,
    protocol: Protocol,
) -> Evaluation:
    settings = stage.params.evaluate
    return measure(
        tasks,
        store,
        streams,
        queries,
        protocol=protocol,
        relevant=tables.relevant,
        recall_at=settings.recall_at,
        primary_metric=settings.primary_metric,
        top=settings.top,
        resampling=Resampling(**settings.bootstrap.model_dump()),
        left_out=tables.left_out.triplets,
        progress=stage.progress("searches"),
    )


def _explain(
    stage: Stage,
    found: Evaluation,
    tables: Tables,
    store: Store,
    tasks: list[SearchTask],
    streams: Streams,
) -> dict[str, ExplainedQuery]:
    count = stage.params.evaluate.explained
    if not count:
        return {}
    rankings = found.rankings[found.rankings["system"] == "fused"]
    chosen = [*best_queries(rankings, count - count // 2), *worst_queries(rankings, count // 2)]
    captions = tables.triplets.set_index("triplet_id")["captions"]
    explainer = Explainer.load(BUILD / "model", BUILD / "clip", pick_device("auto"))
    return explain_triplets(
        explainer,
        store,
        tasks,
        streams,
        {name: clean(captions[name]) for name in chosen},
        list(dict.fromkeys(chosen)),
    )


def _save(
    stage: Stage,
    found: Evaluation,
    tables: Tables,
    store: Store,
    explanations: dict[str, ExplainedQuery],
) -> None:
    """All results in one folder; their headline and the single queries where git keeps them."""
    with atomic_folder(EVALUATION) as folder:
        found.rankings.to_parquet(folder / "rankings.parquet", index=False)
        (folder / "metrics.json").write_text(json.dumps(found.metrics, indent=1) + "\n", encoding="utf-8")
        stage.step("Write report", _report, stage, found, tables, store, explanations, folder / "report.html")
    stage.run.log_artifact(EVALUATION, "evaluation")
    save_queries(found.queries, METRICS / "queries.csv")
    write_text(METRICS / "evaluate.json", json.dumps(headline_metrics(found.metrics), indent=2) + "\n")


def _report(
    stage: Stage,
    found: Evaluation,
    tables: Tables,
    store: Store,
    explanations: dict[str, ExplainedQuery],
    file: Path,
) -> None:
    trained = read_record("train")
    write_report(
        file,
        found,
        store,
        tables.images,
        tables.relevant,
        dataset=stage.params.data.name,
        facts={
            "Model": _registered(trained),
            "Training run": trained.get("run_id", "unknown"),
            "Evaluation run": stage.run.id,
            "Date": date.today().isoformat(),
            "Git revision": stage.lineage["git_sha"] + _CHANGED.get(stage.lineage["git_dirty"], ""),
            "Data": stage.lineage["data"],
        },
        train_curve=pd.read_csv(CURVES / "train.csv"),
        adapt_curve=pd.read_csv(CURVES / "adapt.csv"),
        noise=tables.noise,
        explanations=explanations,
    )


def _registered(trained: Mapping[str, str]) -> str:
    """Name and version of the evaluated model; a study's is in no registry."""
    if "model_name" not in trained:
        return "not registered"
    return f"{trained['model_name']} version {trained['model_version']}"


def _tell(stage: Stage, found: Evaluation) -> None:
    rows = [
        {"system": system, **{name: entry["value"] for name, entry in parts["mean"].items()}}
        for system, parts in found.metrics["systems"].items()
    ]
    stage.table("systems", rows)
    name = found.metrics["primary_metric"]
    primary = found.metrics["systems"]["fused"]["mean"][name]
    stage.summary(
        f"{name} of both streams {primary['value']:.4f}, interval {primary['low']:.4f} to "
        f"{primary['high']:.4f}, {found.metrics['queries']:,} queries.\n\n"
        f"{found.metrics['protocol']['description']} {found.metrics['protocol']['completeness']}"
    )
