"""The gallery in memory: what is searched, browsed and changed while the server runs."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int

from dwc.evaluation.encoded import Streams
from dwc.serving.catalogue import Catalogue, Listed
from dwc.serving.index import FLAT_LIMIT, Progress, Subset, VectorIndex, Vectors

_WORN = 0.2  # share of empty rows from which building the index anew is worth it
_FEW = 1000  # empty rows that never matter


class Chunk(NamedTuple):
    """Some images with their embeddings of both streams, concatenated."""

    ids: Sequence[str]
    categories: Sequence[tuple[str, ...]]
    vectors: Vectors


class LiveGallery:
    """Images with embeddings of one model. Readers may be many; `add` and `remove` come from one thread.

    That thread is also the only one that may use what `streams` returns, which the next `add` may move.
    """

    def __init__(self, dim: int, *, expected: int, flat_limit: int = FLAT_LIMIT) -> None:
        self._flat_limit = flat_limit
        self._lock = threading.Lock()
        self._catalogue = Catalogue()
        self._index = VectorIndex(dim, expected=expected, flat_limit=flat_limit)
        self._subsets: dict[str | None, Subset] = {}

    @classmethod
    def build(
        cls,
        dim: int,
        chunks: Iterable[Chunk],
        expected: int,
        *,
        flat_limit: int = FLAT_LIMIT,
        progress: Progress | None = None,
    ) -> LiveGallery:
        """Take in all images and measure the recall; memory holds each embedding once, and one chunk."""
        gallery = cls(dim, expected=expected, flat_limit=flat_limit)
        for chunk in chunks:
            gallery.add(chunk)
            if progress:
                progress(len(gallery), expected)
        gallery._index.measure_recall()
        return gallery

    def __len__(self) -> int:
        return len(self._catalogue)

    def __contains__(self, image_id: object) -> bool:
        return image_id in self._catalogue

    @property
    def kind(self) -> str:
        """How it is searched: flat = every image is looked at, hnsw = through a graph."""
        return self._index.kind

    @property
    def recall_at_10(self) -> float:
        """Share of the true ten best that a search finds, measured when the index was built."""
        return self._index.recall_at_10

    @property
    def worn(self) -> bool:
        """Whether it has changed so much that it should be built anew."""
        empty = self._catalogue.rows_in_use - len(self)
        return empty > max(_FEW, _WORN * len(self)) or (
            self.kind == "flat" and len(self) > 1.1 * self._flat_limit
        )

    @property
    def categories(self) -> list[str]:
        """Categories that a search can be kept to."""
        with self._lock:
            return self._catalogue.categories

    def ids(self) -> list[str]:
        """All images, in the order in which they came."""
        with self._lock:
            return self._catalogue.ids()

    def categories_of(self, image_id: str) -> tuple[str, ...]:
        """The categories that an image belongs to."""
        return self._catalogue.categories_of(image_id)

    def browse(
        self, *, category: str | None, part: str, offset: int, limit: int, shuffle: int | None
    ) -> Listed:
        """A page of the images; see `Catalogue.browse`."""
        with self._lock:
            return self._catalogue.browse(
                category=category, part=part, offset=offset, limit=limit, shuffle=shuffle
            )

    def add(self, chunk: Chunk) -> None:
        """Append images; they are found from now on."""
        with self._lock:  # before the index: a row that is found must have a name
            self._catalogue.add(chunk.ids, chunk.categories)
            self._subsets.clear()
        self._index.add(chunk.vectors)

    def remove(self, image_id: str) -> None:
        """Let an image be found no more. Raises KeyError where there is none."""
        with self._lock:
            self._catalogue.remove(image_id)
            self._subsets.clear()

    def search(self, queries: Vectors, k: int, category: str | None = None) -> list[list[tuple[str, float]]]:
        """The k best (id, score) of each query, best first. Within a category the search is always exact."""
        only = self._subset(category)
        found = self._index.search(queries, k, only, exact=category is not None)
        return [
            [
                (self._catalogue.id_at(row), score)
                for row, score in zip(hits.rows.tolist(), hits.scores.tolist(), strict=True)
            ]
            for hits in found
        ]

    def streams(self, category: str | None) -> tuple[list[str], Streams]:
        """Ids and embeddings of what a search looks through; not copied where that is every row."""
        with self._lock:
            rows = self._catalogue.rows(category)
            ids = [self._catalogue.id_at(row) for row in rows.tolist()]
        vectors = self._index.vectors()
        if len(rows) < len(vectors):
            vectors = vectors[rows]
        half = vectors.shape[1] // 2
        return ids, Streams(cnn=torch.from_numpy(vectors[:, :half]), clip=torch.from_numpy(vectors[:, half:]))

    def _subset(self, category: str | None) -> Subset | None:
        """Rows that a search looks through; None where that is every row."""
        with self._lock:
            if category is None and len(self._catalogue) == self._catalogue.rows_in_use:
                return None
            if category not in self._subsets:
                rows: Int[np.ndarray, " rows"] = self._catalogue.rows(category)
                self._subsets[category] = Subset(rows, self._catalogue.rows_in_use)
            return self._subsets[category]
