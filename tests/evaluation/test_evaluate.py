"""The whole evaluation on eight images whose every rank is worked out by hand.

Scores by image     a0   a1   a2   a3 | b0   b1   b2
a.0 (ref a0, target a1)   fused: a0 masked, a1 first                      -> rank 1
a.1 (ref a1, target a2)   fused: a3 before a2                             -> rank 2
b.0 (ref b0, target b1)   fused: b2 and b1 tie                            -> rank 2
b.1 (ref b1, target b2)   fused: b0 before b2                             -> rank 2
"""

import json

import pandas as pd
import pytest

from dwc.evaluation.bootstrap import Resampling
from dwc.evaluation.evaluate import evaluate
from dwc.evaluation.protocols import Protocol, all_gallery_rows, search_tasks
from dwc.evaluation.summary import flat_metrics, headline_metrics
from dwc.evaluation.systems import SYSTEMS
from tests.evaluation.catalogue import (
    IMAGE_IDS,
    images_table,
    one_hot_streams,
    queries_scoring,
    triplets_table,
    write_store,
)

CNN = [
    [0.9, 0.5, 0.1, 0.0, 9.0, 9.0, 9.0, 9.0],
    [0.9, 0.9, 0.2, 0.3, 9.0, 9.0, 9.0, 9.0],
    [9.0, 9.0, 9.0, 9.0, 0.9, 0.5, 0.5, 9.0],
    [9.0, 9.0, 9.0, 9.0, 0.5, 0.9, 0.1, 9.0],
]
CLIP = [
    [0.0, 0.5, 0.6, 0.0, 0.0, 0.0, 0.0, 0.0],
    [0.0, 0.0, 0.9, 0.9, 0.0, 0.0, 0.0, 0.0],
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.3, 0.0],
]
# fused a.1: a0 0.9, a2 1.1, a3 1.2
RELEVANT = {"a.0": ["a1", "a3", "x"], "a.1": ["a2", "a1"]}


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory):
    store = write_store(tmp_path_factory.mktemp("catalogue"), triplets_table())
    protocol = Protocol(split="val")
    tasks = search_tasks(images_table(), store.triplets, store.image_ids, protocol)
    return evaluate(
        tasks,
        store,
        one_hot_streams(all_gallery_rows(tasks)),
        queries_scoring(CNN, CLIP),
        protocol=protocol,
        relevant=RELEVANT,
        recall_at=[1, 2],
        primary_metric="recall_at_1",
        top=2,
        resampling=Resampling(resamples=200),
    )


def ranks(evaluation, system: str) -> list[int]:
    rows = evaluation.rankings.query("system == @system")
    return rows.set_index("triplet_id")["rank"].loc[["a.0", "a.1", "b.0", "b.1"]].tolist()


def test_every_rank(evaluation):
    assert ranks(evaluation, "fused") == [1, 2, 2, 2]
    assert ranks(evaluation, "cnn") == [1, 3, 2, 2]
    assert ranks(evaluation, "clip") == [2, 2, 2, 1]


def test_every_rank_of_the_baselines(evaluation):
    """The images' own vectors are one-hot: without the reference, all score 0 and the rank is the worst.

    Text q points at image q + 1: a.0 and a.1 at their targets, b.0 and b.1 at images of the other category.
    """
    assert ranks(evaluation, "clip_image_only") == [3, 3, 2, 2]
    assert ranks(evaluation, "clip_text_only") == [1, 1, 2, 2]
    assert ranks(evaluation, "clip_sum") == [1, 1, 2, 2]


def test_means_count_categories_alike(evaluation):
    fused = evaluation.metrics["systems"]["fused"]
    assert fused["a"]["recall_at_1"]["value"] == 0.5
    assert fused["b"]["recall_at_1"]["value"] == 0
    assert fused["mean"]["recall_at_1"]["value"] == 0.25
    assert fused["mean"]["mrr"]["value"] == pytest.approx((0.75 + 0.5) / 2)
    assert fused["a"]["median_rank"] == {"value": 1.5}
    assert 0 <= fused["mean"]["recall_at_1"]["low"] < 0.25 < fused["mean"]["recall_at_1"]["high"] <= 0.5


def test_relevant_recall_leaves_out_what_cannot_be_found(evaluation):
    """a.0: a1 and a3 (x is not in the gallery); first two are a1, a2. a.1: a1 is its masked reference."""
    fused = evaluation.metrics["systems"]["fused"]
    assert fused["a"]["relevant_recall_at_1"]["value"] == (1 + 0) / 2
    assert fused["a"]["relevant_recall_at_2"]["value"] == (1 / 2 + 1) / 2
    assert fused["b"]["relevant_recall_at_2"]["value"] is None


def test_the_best_baseline_is_named_with_its_distance(evaluation):
    best = evaluation.metrics["best_baseline"]
    assert best["name"] == "clip_text_only"
    assert best["ratio"] == 0.25 / 0.5
    assert best["difference"]["value"] == -0.25


def test_rankings_keep_names_scores_and_weights(evaluation, tmp_path):
    evaluation.rankings.to_parquet(tmp_path / "rankings.parquet")
    rankings = pd.read_parquet(tmp_path / "rankings.parquet")
    assert rankings.attrs["protocol"] == Protocol(split="val").key()
    assert len(rankings) == 4 * len(SYSTEMS)
    row = rankings.query("system == 'fused' and triplet_id == 'a.1'").iloc[0]
    assert list(row["image_ids"]) == ["a3", "a2"]
    assert list(row["scores"]) == pytest.approx([1.2, 1.1])
    assert (row["image_weight_cnn"], row["image_weight_clip"]) == pytest.approx((1 / 3, 0.25))


def test_the_results_are_plain_json(evaluation):
    metrics = json.loads(json.dumps(evaluation.metrics, allow_nan=False))
    assert metrics["protocol"]["key"] == Protocol(split="val").key()
    assert metrics["queries"] == 4 and metrics["queries_without_hit"] == 0
    assert metrics["categories"]["b"] == {
        "queries": 2,
        "gallery_images": 3,
        "missing_images": 0,
        "missing_queries": 0,
    }
    assert metrics["image_weight"]["clip"]["mean"] == 0.25


def test_flat_names_for_tracking(evaluation):
    flat = flat_metrics(evaluation.metrics)
    assert flat["fused.recall_at_1"] == 0.25 and flat["fused.a.recall_at_1"] == 0.5
    assert "fused.b.relevant_recall_at_2" not in flat
    assert headline_metrics(evaluation.metrics)["clip_sum"]["recall_at_1"] == 0.5


def test_a_hit_outside_the_gallery_is_a_miss_that_is_reported(tmp_path):
    triplets = triplets_table()
    triplets.loc[0, "target"] = 7  # x is in no validation list
    store = write_store(tmp_path, triplets)
    protocol = Protocol(split="val")
    tasks = search_tasks(images_table(), triplets, IMAGE_IDS, protocol)
    result = evaluate(
        tasks,
        store,
        one_hot_streams(all_gallery_rows(tasks)),
        queries_scoring(CNN, CLIP),
        protocol=protocol,
        relevant={},
        recall_at=[1, 2],
        primary_metric="recall_at_2",
    )
    assert result.metrics["queries_without_hit"] == 1
    assert result.rankings.query("triplet_id == 'a.0'")["rank"].isna().all()
    assert result.metrics["systems"]["fused"]["a"]["recall_at_2"]["value"] == 0.5
    assert not any("relevant" in name for name in flat_metrics(result.metrics))


def test_an_unmeasured_primary_metric_is_refused(tmp_path):
    store = write_store(tmp_path, triplets_table())
    protocol = Protocol(split="val")
    tasks = search_tasks(images_table(), store.triplets, IMAGE_IDS, protocol)
    with pytest.raises(ValueError, match="`recall_at_10` is not measured here"):
        evaluate(
            tasks,
            store,
            one_hot_streams(all_gallery_rows(tasks)),
            queries_scoring(CNN, CLIP),
            protocol=protocol,
            relevant={},
            recall_at=[1],
        )
