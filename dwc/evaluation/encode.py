"""Embedding the gallery and the queries with a trained model, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from dwc.evaluation.encoded import EncodedQueries, Streams
from dwc.model.dwc import DWC
from dwc.model.inputs import normalise
from dwc.model.precision import autocast
from dwc.store.dataset import Store
from dwc.store.vocabulary import Vocabulary

Progress = Callable[[int, int], None]


@torch.no_grad()
def encode_gallery(
    model: DWC,
    store: Store,
    rows: Int[np.ndarray, " images"],
    *,
    batch_size: int,
    bf16: bool = False,
    progress: Progress | None = None,
) -> Streams:
    """Embed image rows of the store as both streams' targets, on the model's device; results on the CPU."""
    device = _device(model)
    cnn, clip = [], []
    for batch in _batches(len(rows), batch_size, progress):
        picked = rows[batch]
        with autocast(device, bf16):
            cnn.append(model.cnn.target(normalise(store.images(picked).to(device))).cpu())
            clip.append(model.clip.target(_tensor(store.clip_images[picked], device)).cpu())
    return Streams(cnn=torch.cat(cnn), clip=torch.cat(clip))


@torch.no_grad()
def encode_queries(
    model: DWC,
    store: Store,
    triplets: pd.DataFrame,
    *,
    batch_size: int,
    bf16: bool = False,
    progress: Progress | None = None,
) -> EncodedQueries:
    """Compose the queries of triplets (rows of `store.triplets`) from reference image and first text."""
    device = _device(model)
    references = triplets["reference"].to_numpy()
    texts = np.array([rows[0] for rows in triplets["texts"]], dtype=np.int64)
    parts: list[tuple[Tensor, ...]] = []
    for batch in _batches(len(triplets), batch_size, progress):
        words, mask = store.words(texts[batch])
        clip_image = _tensor(store.clip_images[references[batch]], device)
        clip_text = _tensor(store.clip_texts[texts[batch]], device)
        with autocast(device, bf16):
            images = normalise(store.images(references[batch]).to(device))
            cnn = model.cnn.query(images, words.to(device), mask.to(device))
            clip = model.clip.query(clip_image, clip_text)
        parts.append(tuple(value.float().cpu() for value in (*cnn, *clip)))
    cnn_query, cnn_weight, clip_query, clip_weight = (
        torch.cat(column) for column in zip(*parts, strict=True)
    )
    return EncodedQueries(
        cnn=cnn_query, clip=clip_query, cnn_image_weight=cnn_weight, clip_image_weight=clip_weight
    )


def encode_words(
    vocabulary: Vocabulary, texts: Sequence[Sequence[str]]
) -> tuple[Int[Tensor, "batch words"], Bool[Tensor, "batch words"]]:
    """Word ids of texts (each a list of captions), padded to the longest, and True where a word stands."""
    rows = [torch.tensor(vocabulary.encode(captions)) for captions in texts]
    lengths = torch.tensor([len(row) for row in rows])
    words = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    return words, torch.arange(words.shape[1])[None, :] < lengths[:, None]


def _device(model: DWC) -> torch.device:
    return next(model.parameters()).device


def _tensor(values: np.ndarray, device: torch.device) -> Float[Tensor, "rows dim"]:
    return torch.from_numpy(np.asarray(values)).to(device)


def _batches(total: int, size: int, progress: Progress | None) -> Iterator[slice]:
    for start in range(0, total, size):
        yield slice(start, start + size)
        if progress:
            progress(min(start + size, total), total)
