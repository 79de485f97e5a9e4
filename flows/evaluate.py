"""The evaluate stage: recall by the benchmark's protocol, the ranked pictures and the report."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pandas as pd
from prefect import flow

from dwc.evaluation.bootstrap import Resampling
from dwc.evaluation.encode import encode_gallery, encode_queries
from dwc.evaluation.encoded import EncodedQueries, Streams
from dwc.evaluation.evaluate import Evaluation
from dwc.evaluation.evaluate import evaluate as measure
from dwc.evaluation.protocols import Protocol, SearchTask, all_gallery_rows, all_triplets, search_tasks
from dwc.evaluation.queries import save_queries
from dwc.evaluation.report import write_report
from dwc.evaluation.summary import flat_metrics, headline_metrics
from dwc.files import atomic_folder, write_text
from dwc.model.bundle import load_bundle
from dwc.model.precision import pick_device, uses_bf16
from dwc.store.dataset import Store
from dwc.tables.build import Tables, load_tables
from flows.stage import BUILD, METRICS, Stage, read_record, stage

EVALUATION = BUILD / "evaluation"
CURVES = BUILD / "curves"
_CHANGED = {"true": " with changes"}


@flow(name="evaluate")
@stage("data.name", "evaluate")
def evaluate(stage: Stage) -> None:
    """Let every query search its gallery, and measure and show what it finds."""
    settings = stage.params.evaluate
    protocol = Protocol(
        split=settings.split, gallery=settings.gallery, mask_reference=settings.mask_reference
    )
    tables = load_tables(BUILD / "tables")
    store = Store(BUILD / "store", BUILD / "features")
    tasks = search_tasks(tables.images, store.triplets, store.image_ids, protocol)
    streams, queries = _encode(stage, store, tasks, settings.batch_size)
    found = stage.step("Search", _measure, stage, tables, store, tasks, streams, queries, protocol)
    _save(stage, found, tables, store)
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
        progress=stage.progress("searches"),
    )


def _save(stage: Stage, found: Evaluation, tables: Tables, store: Store) -> None:
    """All results in one folder; their headline and the single queries where git keeps them."""
    with atomic_folder(EVALUATION) as folder:
        found.rankings.to_parquet(folder / "rankings.parquet", index=False)
        (folder / "metrics.json").write_text(json.dumps(found.metrics, indent=1) + "\n", encoding="utf-8")
        stage.step("Write report", _report, stage, found, tables, store, folder / "report.html")
    stage.run.log_artifact(EVALUATION, "evaluation")
    save_queries(found.queries, METRICS / "queries.csv")
    write_text(METRICS / "evaluate.json", json.dumps(headline_metrics(found.metrics), indent=2) + "\n")


def _report(stage: Stage, found: Evaluation, tables: Tables, store: Store, file: Path) -> None:
    trained = read_record("train")
    write_report(
        file,
        found,
        store,
        tables.images,
        tables.relevant,
        dataset=stage.params.data.name,
        facts={
            "Model": f"{trained.get('model_name')} version {trained.get('model_version')}",
            "Training run": trained.get("run_id", "unknown"),
            "Evaluation run": stage.run.id,
            "Date": date.today().isoformat(),
            "Git revision": stage.lineage["git_sha"] + _CHANGED.get(stage.lineage["git_dirty"], ""),
            "Data": stage.lineage["data"],
        },
        train_curve=pd.read_csv(CURVES / "train.csv"),
        adapt_curve=pd.read_csv(CURVES / "adapt.csv"),
        noise=tables.noise,
    )


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
        f"{found.metrics['protocol']['description']}"
    )
