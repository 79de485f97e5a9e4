"""The systems that an evaluation compares, as query and gallery embeddings whose dot product is the score.

Score of a gallery image = q_cnn·g_cnn + q_clip·g_clip for the fused system, which is the dot product of the
concatenated embeddings, and one of the two terms for a single stream (METHOD section 4).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from dwc.evaluation.baselines import BASELINES, baseline_gallery, baseline_queries
from dwc.evaluation.encoded import EncodedQueries, Streams
from dwc.evaluation.protocols import SearchTask, all_gallery_rows, positions_in
from dwc.evaluation.recall import Ranking, rank
from dwc.store.dataset import Store

SYSTEMS = ("fused", "cnn", "clip", *BASELINES)

System = tuple[str, Float[Tensor, "queries dim"], Float[Tensor, "gallery dim"]]


def per_task(
    tasks: Sequence[SearchTask], streams: Streams, queries: EncodedQueries
) -> Iterator[tuple[SearchTask, Streams, EncodedQueries]]:
    """Each task with its gallery's and its queries' part of what was encoded for all tasks together."""
    start = 0
    for task, gallery in galleries(tasks, streams):
        yield task, gallery, _part(queries, slice(start, start + len(task.triplets)))
        start += len(task.triplets)


def galleries(tasks: Sequence[SearchTask], streams: Streams) -> Iterator[tuple[SearchTask, Streams]]:
    """Each task with its gallery's part of what was encoded for all tasks together."""
    encoded = all_gallery_rows(tasks)
    for task in tasks:
        places = torch.from_numpy(positions_in(encoded, task.gallery)).to(streams.cnn.device)
        yield task, Streams(cnn=streams.cnn[places], clip=streams.clip[places])


def systems(task: SearchTask, gallery: Streams, queries: EncodedQueries, store: Store) -> Iterator[System]:
    """Name, query and gallery embeddings of each of SYSTEMS, in that order, on one task."""
    yield from model_systems(gallery, queries)
    device = gallery.cnn.device
    images = baseline_gallery(_rows(store.clip_images, task.gallery, device))
    references = _rows(store.clip_images, task.triplets["reference"].to_numpy(np.int64), device)
    texts = _rows(store.clip_texts, text_rows(task.triplets), device)
    for name, query in baseline_queries(references, texts).items():
        yield name, query, images


def model_systems(gallery: Streams, queries: EncodedQueries) -> Iterator[System]:
    """The model's own systems: both streams together, and each by itself."""
    yield "fused", torch.cat([queries.cnn, queries.clip], 1), torch.cat([gallery.cnn, gallery.clip], 1)
    yield "cnn", queries.cnn, gallery.cnn
    yield "clip", queries.clip, gallery.clip


def search(
    task: SearchTask, query: Float[Tensor, "queries dim"], gallery: Float[Tensor, "gallery dim"], *, top: int
) -> Ranking:
    """Rank a task's gallery for its queries by a system's embeddings; `top` images are kept of each."""

    def on_device(values: Int[np.ndarray, " n"]) -> Tensor:
        return torch.from_numpy(values).to(query.device)

    return rank(
        query,
        gallery,
        labels=on_device(task.labels),
        target_labels=on_device(task.target_labels),
        masked=on_device(task.masked),
        top=top,
    )


def text_rows(triplets: pd.DataFrame) -> Int[np.ndarray, " queries"]:
    """Text row that evaluation uses for each triplet: the first, canonical one."""
    return np.array([rows[0] for rows in triplets["texts"]], dtype=np.int64)


def _rows(
    embeddings: Float[np.ndarray, "all dim"], rows: Int[np.ndarray, " rows"], device: torch.device
) -> Float[Tensor, "rows dim"]:
    return torch.from_numpy(np.asarray(embeddings[rows], dtype=np.float32)).to(device)


def _part(queries: EncodedQueries, part: slice) -> EncodedQueries:
    return EncodedQueries(
        cnn=queries.cnn[part],
        clip=queries.clip[part],
        cnn_image_weight=queries.cnn_image_weight[part],
        clip_image_weight=queries.clip_image_weight[part],
    )
