"""Every layout through all stages, validate to evaluate, by the stages' own functions.

Prefect and MLflow are left out: test_pipeline has them, on one layout.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml

from dwc.config import Params, load_params
from dwc.evaluation.asked import asked_protocol
from dwc.evaluation.evaluate import Evaluation
from dwc.evaluation.gaps import with_left_out
from dwc.evaluation.protocols import search_tasks
from dwc.evaluation.report import write_report
from dwc.model.clip import FrozenClip
from dwc.raw.fashion200k import PairSettings
from dwc.raw.layouts import read
from dwc.registry.params import flatten
from dwc.store.dataset import Store
from dwc.tables.build import load_tables
from dwc.training.checkpoint import Checkpoints
from flows import embed, evaluate, preprocess, train, validate
from flows.stage import BUILD
from tests.flows.conftest import TINY_CLIP, TINY_PARAMS
from tests.layouts import WRITERS

EXPECTED = {  # training triplets, queries and the sizes of the galleries, counted by hand in tests/layouts.py
    "css": (18, 12, None),
    "fashion200k": (30, 5, {"fashion200k": 10}),
    "fashioniq": (16, 8, {"dress": 4, "shirt": 4}),
    "shoes": (12, 6, {"shoes": 6}),
    "table": (18, 2, {"all": 2}),
}


class Untracked:
    """A run that keeps nothing."""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        assert all(isinstance(value, float) for value in metrics.values())


@dataclass
class Bare:
    """A stage without Prefect and MLflow."""

    params: Params
    run: Untracked

    def progress(self, description: str) -> Callable[..., None]:
        return lambda done, total, *_: None

    def step(self, name: str, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return work(*args, **kwargs)


def run_stages(root: Path) -> tuple[Evaluation, dict[str, int]]:
    """The five stages in the current folder; returns the measurement and what validation counted."""
    stage: Any = Bare(load_params(root / "params.yaml"), Untracked())
    params, silent = stage.params, stage.progress("")
    counts = validate._validate(params, silent).counts
    tables = load_tables(BUILD / "tables")
    preprocess._build(tables, params, BUILD / "store", silent)
    clip = FrozenClip.create(params.embed.architecture, None)
    embed._save_clip(clip)
    embed._embed(clip, Store(BUILD / "store"), params.embed.batch_size, silent)
    lesson = train.load_lesson(params.train)
    store = lesson.store
    model = train.new_model(params.train, store, torch.device("cpu"))
    checkpoints = Checkpoints(BUILD / "checkpoints", "")
    history = train.fit(params.train, model, lesson, checkpoints, log=stage.run.log_metrics, progress=silent)
    train._save(model, history)
    protocol = asked_protocol(params, params.train.select)
    listed = with_left_out(tables.images, tables.left_out.images)
    tasks = search_tasks(listed, store.triplets, store.image_ids, protocol)
    streams, queries = evaluate._encode(stage, store, tasks, 8)
    found = evaluate._measure(stage, tables, store, tasks, streams, queries, protocol)
    curve = pd.read_csv(train.CURVE)
    write_report(
        root / "report.html",
        found,
        store,
        tables.images,
        tables.relevant,
        dataset=params.data.name,
        facts={},
        train_curve=curve,
    )
    return found, counts


def evaluation_split(layout: str) -> str:
    return "test" if layout in {"css", "fashion200k"} else "val"


def prepare(layout: str, root: Path, **rules: Any) -> None:
    """The layout's data and the parameters of a tiny training; rules: of the section `validate`."""
    WRITERS[layout](root / "data")
    params = yaml.safe_load(TINY_PARAMS)
    params["data"] = {"name": f"tiny-{layout}", "layout": layout, "pairs": {"draws": 2}}
    params["validate"] |= rules
    params["embed"]["architecture"] = "tiny.json"
    params["train"] |= {"epochs": 2, "batch_size": 4}
    params["evaluate"] |= {"split": evaluation_split(layout), "gallery": "original"}
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    (root / "tiny.json").write_text(TINY_CLIP)


@pytest.mark.parametrize("layout", sorted(WRITERS))
def test_a_layout_goes_through_the_whole_pipeline(
    layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(layout, tmp_path)
    monkeypatch.chdir(tmp_path)

    found, counts = run_stages(tmp_path)
    triplets, queries, galleries = EXPECTED[layout]
    metrics = found.metrics
    assert counts["triplets"] == triplets + queries and counts["quarantined"] == 0
    assert metrics["queries"] == queries
    if galleries is not None:
        assert {name: part["gallery_images"] for name, part in metrics["categories"].items()} == galleries
    assert 0 <= metrics["systems"]["fused"]["mean"]["recall_at_5"]["value"] <= 1
    split = evaluation_split(layout)
    text = "replace" if layout == "fashion200k" else "captions-and-token"
    key = f"{split}/original/reference-masked/per-category/{text}/selected-blind"
    assert metrics["protocol"]["key"] == key and key in (tmp_path / "report.html").read_text()
    assert flatten(metrics["protocol"])["selection"] == "best"


def lose_a_picture(root: Path, layout: str, split: str) -> pd.DataFrame:
    """Delete the reference picture of the last triplet of a split; returns the split's triplets it costs."""
    data = load_params(root / "params.yaml").data
    raw = read(layout, data.root, data.categories, pairs=PairSettings(**data.pairs.model_dump()))
    triplets = raw.triplets[raw.triplets["split"] == split]
    lost = triplets["reference_id"].iloc[-1]
    (data.root / raw.images.set_index("image_id").loc[lost, "path"]).unlink()
    return triplets[(triplets["reference_id"] == lost) | (triplets["target_id"] == lost)]


@pytest.mark.parametrize("layout", ["css", "fashion200k", "fashioniq", "shoes"])
def test_what_dead_pictures_cost_is_counted_to_the_end(
    layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(layout, tmp_path, missing_images="drop")
    monkeypatch.chdir(tmp_path)
    lost = {split: lose_a_picture(tmp_path, layout, split) for split in ("train", evaluation_split(layout))}

    found, counts = run_stages(tmp_path)
    triplets, queries, _ = EXPECTED[layout]
    learnt, asked = (len(rows) for rows in lost.values())
    assert learnt > 0 and asked > 0
    assert counts["triplets"] == triplets + queries - learnt - asked
    assert sum(v for name, v in counts.items() if name.startswith("dropped_train_triplets")) == learnt
    assert found.metrics["queries"] == queries - asked
    published = found.metrics["published"]
    assert published["missing_queries"] == asked and published["missing_images"] == 1
    report = (tmp_path / "report.html").read_text()
    assert f"The gallery lacks 1 of {published['gallery_images']} images" in report
    assert f"{asked} of {queries} queries" in report
