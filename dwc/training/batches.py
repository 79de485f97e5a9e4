"""Training batches: triplets of the store, shuffled and augmented, the same for the same seed and epoch."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from dwc.model.inputs import normalise
from dwc.schema import DRAW
from dwc.store.dataset import Store
from dwc.training.augment import cut_views, draw_views
from dwc.training.feeding import MappedRows, Pixels, ahead, place_pixels


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


@dataclass(frozen=True, kw_only=True)
class _Images:
    """Images of a batch as the host prepares them.

    mirrored: which of them are; views: as `draw_views` draws them; None: the whole images.
    """

    fetched: Tensor
    mirrored: Int[Tensor, " some"]
    views: Float[Tensor, "batch 2 3"] | None
    embeddings: Float[Tensor, "batch clip_dim"]


@dataclass(frozen=True, kw_only=True)
class _Prepared:
    """A batch as the host prepares it, in memory of the host."""

    reference: _Images
    target: _Images
    words: Int[Tensor, "batch words"]
    mask: Bool[Tensor, "batch words"]
    clip_text: Float[Tensor, "batch clip_dim"]
    labels: Int[Tensor, " batch"]


AHEAD = 3  # batches that are prepared before they are asked for


class TripletBatches:
    """Batches of one epoch after another; an incomplete last batch is left out.

    triplets: rows of `store.triplets`; where pairs were drawn several times, each epoch takes one drawing
    after the other, and as many batches as the smallest has; flip: mirror each image half of the time;
    crop_scale: smallest share of the area that a crop keeps; rotation: largest turn, degrees; side: of what
    the network sees, pixels (these three for the CNN stream only, CLIP's embeddings being cached); rank,
    ranks: of several processes each takes its part of every batch that one alone would have; pixels: where
    they come from, see `place_pixels`; None: the store's file.
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
        pixels: Pixels | None = None,
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
        self._pixels = pixels or place_pixels(store.pixels, device, "disk")
        self._clip_images = MappedRows(store.clip_images)
        self._clip_mirrored = MappedRows(store.clip_mirrored)
        self._clip_texts = MappedRows(store.clip_texts)

    def __len__(self) -> int:
        """Batches in an epoch."""
        return self._smallest // self._batch_size

    def epoch(self, number: int) -> Generator[Batch]:
        """Yield the batches of epoch `number`, which alone with the seed decides them.

        A thread prepares the next ones meanwhile; it ends with this iterator.
        """
        with closing(ahead(self._prepared(number), AHEAD)) as prepared:
            for batch in prepared:
                yield self._on_device(batch)

    def _prepared(self, number: int) -> Generator[_Prepared]:
        random = np.random.default_rng([self._seed, number])
        generator = torch.Generator().manual_seed(int(random.integers(2**63)))
        rows = self._drawings[number % len(self._drawings)]
        order = rows[random.permutation(len(rows))]
        self._expect(order[: self._batch_size][self._own])
        for start in range(0, len(self) * self._batch_size, self._batch_size):
            end = start + self._batch_size
            self._expect(order[end : end + self._batch_size][self._own])
            yield self._prepare(order[start:end], random, generator)

    def _expect(self, rows: Int[np.ndarray, " batch"]) -> None:
        """Have the disk look for what a later batch reads."""
        for images in (self._reference[rows], self._target[rows]):
            self._pixels.expect(images)
            self._clip_images.expect(images)

    def _prepare(
        self, rows: Int[np.ndarray, " batch"], random: np.random.Generator, generator: torch.Generator
    ) -> _Prepared:
        reference = self._draw(self._reference[rows], random, generator)
        target = self._draw(self._target[rows], random, generator)
        texts = np.array([random.choice(self._texts[row]) for row in rows])[self._own]
        words, mask = self._store.words(texts)
        return _Prepared(
            reference=reference,
            target=target,
            words=self._pinned(words),
            mask=self._pinned(mask),
            clip_text=self._pinned(self._clip_texts.read(texts)),
            labels=self._pinned(torch.from_numpy(self._labels[rows[self._own]])),
        )

    def _draw(
        self, rows: Int[np.ndarray, " batch"], random: np.random.Generator, generator: torch.Generator
    ) -> _Images:
        """Pixels and CLIP embeddings of this rank's images of a batch, each mirrored or not, together."""
        mirrored = np.flatnonzero((random.random(len(rows)) < (0.5 if self._flip else 0.0))[self._own])
        views = draw_views(
            len(rows),
            self._store.side,
            smallest_area=self._crop_scale,
            rotation=self._rotation,
            side=self._side,
            generator=generator,
        )
        rows = rows[self._own]
        embeddings = self._clip_images.read(rows)
        embeddings.numpy()[mirrored] = self._clip_mirrored.read(rows[mirrored]).numpy()
        return _Images(
            fetched=self._pixels.fetch(rows),
            mirrored=self._pinned(torch.from_numpy(mirrored)),
            views=None if views is None else self._pinned(views[self._own]),
            embeddings=self._pinned(embeddings),
        )

    def _on_device(self, batch: _Prepared) -> Batch:
        return Batch(
            reference=self._images(batch.reference),
            target=self._images(batch.target),
            words=self._move(batch.words),
            mask=self._move(batch.mask),
            clip_reference=self._move(batch.reference.embeddings),
            clip_text=self._move(batch.clip_text),
            clip_target=self._move(batch.target.embeddings),
            labels=self._move(batch.labels),
        )

    def _images(self, images: _Images) -> Float[Tensor, "batch 3 side side"]:
        """What the CNN stream sees of images."""
        pixels = self._pixels.send(images.fetched)
        mirrored = self._move(images.mirrored)
        pixels[mirrored] = pixels[mirrored].flip(2)
        seen = normalise(pixels)
        return seen if images.views is None else cut_views(seen, self._move(images.views), self._side)

    def _pinned(self, tensor: Tensor) -> Tensor:
        """In memory from which a GPU copies by itself, where there is one."""
        return tensor.pin_memory() if self._device.type == "cuda" else tensor

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
