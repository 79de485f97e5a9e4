"""The evaluation: every system ranks every gallery once, and what comes out is measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int

from dwc.evaluation.bootstrap import Resampling
from dwc.evaluation.encoded import EncodedQueries, Streams
from dwc.evaluation.gaps import find_gaps
from dwc.evaluation.metrics import query_measures, relevant_positions
from dwc.evaluation.protocols import Protocol, SearchTask, all_gallery_rows
from dwc.evaluation.queries import QueryResults, query_results
from dwc.evaluation.recall import Ranking
from dwc.evaluation.summary import Measures, summarise
from dwc.evaluation.systems import SYSTEMS, per_task, search, systems
from dwc.store.dataset import Store

DEFAULT_RESAMPLING = Resampling()


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What an evaluation found.

    metrics: nested plain values for JSON, see `summary.summarise`.
    rankings: one row for each query and system: triplet_id, category, system, rank (of the best hit, null =
        no hit in the gallery), image_ids and scores (best first), image_weight_cnn, image_weight_clip; its
        `attrs["protocol"]` is the protocol's key, which Parquet keeps.
    queries: every query of the fused system by itself, to be paired with another model's.
    """

    metrics: dict[str, Any]
    rankings: pd.DataFrame
    queries: QueryResults


def evaluate(
    tasks: Sequence[SearchTask],
    store: Store,
    streams: Streams,
    queries: EncodedQueries,
    *,
    protocol: Protocol,
    relevant: Mapping[str, Sequence[str]],
    recall_at: Sequence[int],
    primary_metric: str = "recall_at_10",
    top: int = 50,
    resampling: Resampling = DEFAULT_RESAMPLING,
    left_out: pd.DataFrame | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Rank and measure all systems on all tasks.

    streams: embeddings of the store rows `all_gallery_rows(tasks)`; queries: of the triplets
    `all_triplets(tasks)`; relevant: triplet_id -> ids of all images that satisfy the query, where known;
    top: ranked images kept for each query; left_out: triplets that the tables left out, which the result then
    counts as missing queries; progress counts searches (tasks x systems).
    Raises ValueError if `primary_metric` is not measured or an embedding is not finite.
    """
    _require_sizes(tasks, streams, queries)
    row_of = {image_id: row for row, image_id in enumerate(store.image_ids)}
    measures: dict[str, dict[str, Measures]] = {system: {} for system in SYSTEMS}
    frames: list[pd.DataFrame] = []
    for task, gallery, asked in per_task(tasks, streams, queries):
        known = relevant_positions(task, relevant, row_of) if relevant else None
        for name, query, images in systems(task, gallery, asked, store):
            ranking = search(task, query, images, top=max(top, *recall_at))
            measures[name][task.category] = _measure(ranking, known, recall_at)
            frames.append(_ranking_rows(task, asked, name, ranking, store.image_ids, top))
            if progress is not None:
                progress(len(frames), len(tasks) * len(SYSTEMS))
    rankings = pd.concat(frames, ignore_index=True)
    rankings.attrs["protocol"] = protocol.key()
    gaps = find_gaps(tasks, left_out, store.image_ids, protocol)
    metrics = summarise(tasks, measures, queries, protocol, primary_metric, resampling, gaps)
    queries_measured = query_results(tasks, measures["fused"], store.image_ids, protocol)
    return Evaluation(metrics=metrics, rankings=rankings, queries=queries_measured)


def _measure(
    ranking: Ranking, relevant: Sequence[Int[np.ndarray, " _"]] | None, recall_at: Sequence[int]
) -> Measures:
    ranks = ranking.rank_of_hit.numpy()
    return Measures(ranks, query_measures(ranks, ranking.top_positions.numpy(), relevant, recall_at))


def _ranking_rows(
    task: SearchTask,
    queries: EncodedQueries,
    system: str,
    ranking: Ranking,
    image_ids: Sequence[str],
    top: int,
) -> pd.DataFrame:
    """The rankings table's rows of one search."""
    names = np.asarray(image_ids, dtype=object)[task.gallery]
    kept = [row[row >= 0] for row in ranking.top_positions[:, :top].numpy()]
    scores = [row[: len(best)] for row, best in zip(ranking.top_scores.numpy(), kept, strict=True)]
    return pd.DataFrame(
        {
            "triplet_id": task.triplets["triplet_id"].to_numpy(),
            "category": task.category,
            "system": system,
            "rank": pd.Series(ranking.rank_of_hit.numpy()).replace(np.inf, np.nan).astype("Int64"),
            "image_ids": [names[row].tolist() for row in kept],
            "scores": scores,
            "image_weight_cnn": queries.cnn_image_weight.cpu().numpy(),
            "image_weight_clip": queries.clip_image_weight.cpu().numpy(),
        }
    )


def _require_sizes(tasks: Sequence[SearchTask], streams: Streams, queries: EncodedQueries) -> None:
    images, triplets = len(all_gallery_rows(tasks)), sum(len(task.triplets) for task in tasks)
    assert len(streams.cnn) == len(streams.clip) == images, "streams must hold all_gallery_rows(tasks)"
    assert len(queries.cnn) == len(queries.clip) == triplets, "queries must be those of all_triplets(tasks)"
