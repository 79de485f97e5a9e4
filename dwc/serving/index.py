"""Searching embeddings by inner product: exactly while they are few, through a graph where they are many.

score = q_cnn·g_cnn + q_clip·g_clip = [q_cnn; q_clip]·[g_cnn; g_clip], so that one index serves both streams.
Every gallery vector has the same length, √2; by inner product the graph's neighbours are the nearest ones.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Literal, NamedTuple

import faiss
import numpy as np
from jaxtyping import Float32, Int

Vectors = Float32[np.ndarray, "rows both"]
Progress = Callable[[int, int], None]

FLAT_LIMIT = 50_000
"""Images up to which every one is looked at: of 2 × 512 numbers each, that is 200 MB, read in some 15 ms."""

_LINKS = 32  # neighbours of a node of the graph: faiss's own choice, 256 bytes of memory for each image
_BUILD_WIDTH = (
    80  # candidates while building: twice faiss's own, for a graph that is built once and read often
)
_WIDTHS = (64, 128, 256, 512)  # candidates while searching; the first with enough recall is taken
_ENOUGH_RECALL = 0.98
_MARGIN = 50  # results beyond k, so that equals at the end of the list are put in order too
_SAMPLE = 200  # queries by which recall is measured


class Hits(NamedTuple):
    """Rows found and their scores, best first; equal scores in the order of rows."""

    rows: Int[np.ndarray, " found"]
    scores: Float32[np.ndarray, " found"]


class Subset:
    """The rows that a search is kept to."""

    def __init__(self, rows: Int[np.ndarray, " rows"], total: int) -> None:
        mask = np.zeros(total, dtype=bool)
        mask[rows] = True
        self.rows = rows
        self.selector = faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))


class VectorIndex:
    """Rows of embeddings. Searching and adding may go on in different threads; they take turns.

    dim: length of a vector; expected: rows that are coming, which decides the kind.
    """

    def __init__(self, dim: int, *, expected: int, flat_limit: int = FLAT_LIMIT) -> None:
        self.kind: Literal["flat", "hnsw"] = "flat" if expected <= flat_limit else "hnsw"
        self._lock = threading.Lock()
        self._graph = None
        if self.kind == "hnsw":
            self._graph = faiss.IndexHNSWFlat(dim, _LINKS, faiss.METRIC_INNER_PRODUCT)
            self._graph.hnsw.efConstruction = _BUILD_WIDTH
            self._flat = faiss.downcast_index(self._graph.storage)
        else:
            self._flat = faiss.IndexFlatIP(dim)
        self._width = _WIDTHS[0]
        self.recall_at_10 = 1.0

    def __len__(self) -> int:
        return int(self._flat.ntotal)

    def add(self, vectors: Vectors) -> None:
        """Append rows."""
        index = self._flat if self._graph is None else self._graph
        with self._lock:
            index.add(np.ascontiguousarray(vectors, dtype=np.float32))

    def vectors(self) -> Vectors:
        """All rows, as they lie in the index: not a copy, and not to be kept beyond the next `add`."""
        total, dim = self._flat.ntotal, self._flat.d
        if total == 0:
            return np.empty((0, dim), np.float32)
        found: Vectors = faiss.rev_swig_ptr(self._flat.get_xb(), total * dim).reshape(total, dim)
        return found

    def search(self, queries: Vectors, k: int, only: Subset | None = None, exact: bool = False) -> list[Hits]:
        """The k best rows of each query, or fewer where there are fewer.

        only: rows to keep to; exact: look at every one of them, also where there is a graph.
        """
        queries = np.ascontiguousarray(queries, dtype=np.float32)
        with self._lock:
            wanted = min(k + _MARGIN, len(self) if only is None else len(only.rows))
            if not wanted:
                return [Hits(np.empty(0, np.int64), np.empty(0, np.float32)) for _ in queries]
            rows = self._candidates(queries, wanted, only, exact)
            return [
                self._ranked(query, found[found >= 0], k) for query, found in zip(queries, rows, strict=True)
            ]

    def measure_recall(self) -> float:
        """Set the width of the search, and measure how many of the true ten best it finds (0 to 1).

        The queries lie between two random rows, as a composed query lies between picture and text.
        """
        if self._graph is None or not len(self):
            return self.recall_at_10
        pairs = np.random.default_rng(0).integers(len(self), size=(2, _SAMPLE))
        vectors = self.vectors()
        queries = vectors[pairs[0]] + vectors[pairs[1]]
        truth = [set(hits.rows.tolist()) for hits in self.search(queries, 10, exact=True)]
        for width in _WIDTHS:
            self._width = width
            found = [set(hits.rows.tolist()) for hits in self.search(queries, 10)]
            shares = [len(ours & best) / len(best) for ours, best in zip(found, truth, strict=True)]
            self.recall_at_10 = float(np.mean(shares))
            if self.recall_at_10 >= _ENOUGH_RECALL:
                break
        return self.recall_at_10

    def _candidates(
        self, queries: Vectors, wanted: int, only: Subset | None, exact: bool
    ) -> Int[np.ndarray, "queries wanted"]:
        selector = None if only is None else only.selector
        if self._graph is None or exact:
            settings = faiss.SearchParameters(sel=selector)
            return np.asarray(self._flat.search(queries, wanted, params=settings)[1])
        settings = faiss.SearchParametersHNSW(efSearch=max(self._width, wanted), sel=selector)
        return np.asarray(self._graph.search(queries, wanted, params=settings)[1])

    def _ranked(self, query: Float32[np.ndarray, " both"], rows: Int[np.ndarray, " found"], k: int) -> Hits:
        """Score candidates anew: faiss rounds otherwise in larger batches, which would order equals."""
        scores = (self.vectors()[rows].astype(np.float64) @ query.astype(np.float64)).astype(np.float32)
        order = np.lexsort((rows, -scores))[:k]
        return Hits(rows[order], scores[order])
