"""Training batches: triplets of the store, shuffled and augmented, the same for the same seed and epoch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from dwc.model.inputs import normalise
from dwc.schema import DRAW
from dwc.store.dataset import Store
from dwc.training.augment import random_view


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Triplets as both streams read them."""

    reference: Float[Tensor, "batch 3 side side"]
    target: Float[Tensor, "batch 3 side side"]
    words: Int[Tensor, "batch words"]
    mask: Bool[Tensor, "batch words"]
    clip_reference: Float[Tensor, "batch clip_dim"]
    clip_text: Float[Tensor, "batch clip_dim"]
    clip_target: Float[Tensor, "batch clip_dim"]
    labels: Int[Tensor, " batch"]


class TripletBatches:
    """Batches of one epoch after another; an incomplete last batch is left out.

    triplets: rows of `store.triplets`; where pairs were drawn several times, each epoch takes one drawing
    after the other, and as many batches as the smallest has; flip: mirror each image half of the time;
    crop_scale: smallest share of the area that a crop keeps; rotation: largest turn, degrees; side: of what
    the network sees, pixels (these three for the CNN stream only, CLIP's embeddings being cached); rank,
    ranks: of several processes each takes its part of every batch that one alone would have.
    """

    def __init__(
        self,
        store: Store,
        triplets: pd.DataFrame,
        *,
        batch_size: int,
        seed: int,
        flip: bool,
        crop_scale: float,
        rotation: float = 0.0,
        side: int | None = None,
        device: torch.device,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        self._drawings = _drawings(triplets)
        self._smallest = min(len(rows) for rows in self._drawings)
        if self._smallest < batch_size:
            raise ValueError(
                f"train.batch_size = {batch_size}, but only {self._smallest} training triplets are left "
                "after holding some back. Lower train.batch_size or train.holdout."
            )
        self._store = store
        self._reference = triplets["reference"].to_numpy()
        self._target = triplets["target"].to_numpy()
        self._labels = triplets["label"].to_numpy()
        self._texts = [np.asarray(rows) for rows in triplets["texts"]]
        self._batch_size = batch_size
        self._seed = seed
        self._flip = flip
        self._crop_scale = crop_scale
        self._rotation = rotation
        self._side = side
        self._device = device
        if batch_size % ranks:
            raise ValueError(
                f"train.batch_size = {batch_size} cannot be divided among {ranks} devices. Make it a "
                f"multiple of {ranks}."
            )
        self._own = slice(rank * batch_size // ranks, (rank + 1) * batch_size // ranks)

    def __len__(self) -> int:
        """Batches in an epoch."""
        return self._smallest // self._batch_size

    def epoch(self, number: int) -> Iterator[Batch]:
        """Yield the batches of epoch `number`, which alone with the seed decides them."""
        random = np.random.default_rng([self._seed, number])
        generator = torch.Generator().manual_seed(int(random.integers(2**63)))
        rows = self._drawings[number % len(self._drawings)]
        order = rows[random.permutation(len(rows))]
        for start in range(0, len(self) * self._batch_size, self._batch_size):
            yield self._batch(order[start : start + self._batch_size], random, generator)

    def _batch(
        self, rows: Int[np.ndarray, " batch"], random: np.random.Generator, generator: torch.Generator
    ) -> Batch:
        reference, clip_reference = self._images(self._reference[rows], random, generator)
        target, clip_target = self._images(self._target[rows], random, generator)
        texts = np.array([random.choice(self._texts[row]) for row in rows])[self._own]
        words, mask = self._store.words(texts)
        return Batch(
            reference=reference,
            target=target,
            words=self._move(words),
            mask=self._move(mask),
            clip_reference=clip_reference,
            clip_text=self._move(torch.from_numpy(self._store.clip_texts[texts])),
            clip_target=clip_target,
            labels=self._move(torch.from_numpy(self._labels[rows[self._own]])),
        )

    def _images(
        self, rows: Int[np.ndarray, " batch"], random: np.random.Generator, generator: torch.Generator
    ) -> tuple[Float[Tensor, "batch 3 side side"], Float[Tensor, "batch clip_dim"]]:
        """Pixels and CLIP embeddings of images, each mirrored or not, together."""
        mirrored = (random.random(len(rows)) < (0.5 if self._flip else 0.0))[self._own]
        batch, rows = len(rows), rows[self._own]
        pixels = self._move(self._store.images(rows))
        flips = self._move(torch.from_numpy(mirrored))[:, None, None, None]
        images = normalise(torch.where(flips, pixels.flip(2), pixels))
        embeddings = np.where(
            mirrored[:, None], self._store.clip_mirrored[rows], self._store.clip_images[rows]
        )
        views = random_view(
            images,
            smallest_area=self._crop_scale,
            rotation=self._rotation,
            side=self._side,
            generator=generator,
            batch=batch,
            own=self._own,
        )
        return views, self._move(torch.from_numpy(embeddings))

    def _move(self, tensor: Tensor) -> Tensor:
        return tensor.to(self._device, non_blocking=True)


def split_holdout(triplets: pd.DataFrame, share: float, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Divide training triplets into those learnt from and the held-out ones that choose the checkpoint.

    Where pairs were drawn several times, all pairs of a share of the reference images are held back, and the
    first drawing of them chooses.
    """
    random = np.random.default_rng([seed, 0x401D])
    if DRAW in triplets:
        references = np.unique(triplets["reference"].to_numpy())
        chosen = random.permutation(references)[: round(share * len(references))]
        held = triplets["reference"].isin(chosen).to_numpy()
        choosing = held & (triplets[DRAW] == 0).to_numpy()
    else:
        held = np.zeros(len(triplets), dtype=bool)
        held[random.permutation(len(triplets))[: round(share * len(triplets))]] = True
        choosing = held
    return triplets[~held].reset_index(drop=True), triplets[choosing].reset_index(drop=True)


def _drawings(triplets: pd.DataFrame) -> list[Int[np.ndarray, " rows"]]:
    """Row numbers of every drawing of pairs; all rows, where there is but one."""
    if DRAW not in triplets:
        return [np.arange(len(triplets))]
    numbers = triplets[DRAW].to_numpy()
    return [np.flatnonzero(numbers == number) for number in np.unique(numbers)]
