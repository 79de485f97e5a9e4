"""Exact ranking of a gallery by dot product, streamed: the full queries-by-gallery matrix never exists.

The order is a total one, so results do not depend on the block sizes. In the list of top images equal scores
stand in gallery order. The rank of the hit is pessimistic: every image that is no hit and scores as much as
the best hit counts as ranked before it, so a collapsed model that gives all images one score cannot shine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

TIE = 1e-6
"""Scores this close count as equal in the rank of the hit: the rounding of float32 sums of unit vectors."""


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Results of Q searches, on the CPU.

    top_positions, top_scores: the best images as gallery positions, best first; -1 and -inf where the gallery
        has fewer images than were asked for.
    rank_of_hit: 1 = the best hit is first; inf = the gallery holds no hit for this query, a miss at every k.
    """

    top_positions: Int[Tensor, "queries top"]
    top_scores: Float[Tensor, "queries top"]
    rank_of_hit: Float[Tensor, " queries"]


def rank(
    queries: Float[Tensor, "queries dim"],
    gallery: Float[Tensor, "gallery dim"],
    *,
    labels: Int[Tensor, " gallery"],
    target_labels: Int[Tensor, " queries"],
    masked: Int[Tensor, " queries"],
    top: int = 50,
    query_block: int = 1024,
    gallery_block: int = 4096,
    progress: Callable[[int, int], None] | None = None,
) -> Ranking:
    """Rank the gallery for every query by dot product.

    A gallery image is a hit where its label equals the query's target label. `masked` is the gallery position
    left out of each query's ranking, -1 = none; a masked image is no hit either. Memory is bounded by
    query_block * (gallery_block + top) scores. Raises ValueError where embeddings are not finite.
    """
    for name, embeddings in (("query", queries), ("gallery", gallery)):
        if not torch.isfinite(embeddings).all():
            raise ValueError(f"A {name} embedding is not finite. The model diverged; train it again.")
    parts = []
    for start in range(0, len(queries), query_block):
        block = slice(start, start + query_block)
        search = _Search(
            queries[block],
            gallery,
            labels,
            target_labels[block],
            masked[block],
            min(top, len(gallery)),
            gallery_block,
        )
        parts.append(search.run())
        if progress is not None:
            progress(min(start + query_block, len(queries)), len(queries))
    return Ranking(
        top_positions=torch.cat([part.top_positions for part in parts]),
        top_scores=torch.cat([part.top_scores for part in parts]),
        rank_of_hit=torch.cat([part.rank_of_hit for part in parts]),
    )


@dataclass(frozen=True)
class _Search:
    """One block of queries against the whole gallery: one pass for the best, one for the hit's rank."""

    queries: Float[Tensor, "queries dim"]
    gallery: Float[Tensor, "gallery dim"]
    labels: Int[Tensor, " gallery"]
    target_labels: Int[Tensor, " queries"]
    masked: Int[Tensor, " queries"]
    top: int
    block: int

    def run(self) -> Ranking:
        keys, hit_score = self._best()
        scores, positions = _unpack(keys)
        absent = scores == -torch.inf
        return Ranking(
            top_positions=positions.masked_fill(absent, -1).cpu(),
            top_scores=scores.cpu(),
            rank_of_hit=self._rank_of(hit_score).cpu(),
        )

    def _best(self) -> tuple[Int[Tensor, "queries top"], Float[Tensor, " queries"]]:
        """Keys of the top images, best first, and the best hit's score (-inf = no hit)."""
        count = len(self.queries)
        keys = torch.empty(count, 0, dtype=torch.int64, device=self.queries.device)
        hit_score = torch.full((count,), -torch.inf, device=self.queries.device)
        for start, scores, hits in self._blocks():
            hit_score = torch.maximum(hit_score, scores.where(hits, -torch.inf).amax(1))
            candidates = torch.cat([keys, _pack(scores, start)], dim=1)
            keys = candidates.topk(min(self.top, candidates.shape[1]), dim=1).values
        return keys, hit_score

    def _rank_of(self, hit_score: Float[Tensor, " queries"]) -> Float[Tensor, " queries"]:
        """1 + how many images that are no hits score at least as much as the best hit."""
        ahead = torch.zeros_like(hit_score, dtype=torch.float64)
        for _, scores, hits in self._blocks():
            ahead += ((scores >= hit_score[:, None] - TIE) & ~hits & scores.isfinite()).sum(1)
        return torch.where(hit_score == -torch.inf, torch.inf, 1 + ahead)

    def _blocks(self) -> Iterator[tuple[int, Float[Tensor, "queries block"], Bool[Tensor, "queries block"]]]:
        """Blocks of the gallery: first position, scores with masked images at -inf, and which are hits."""
        for start in range(0, len(self.gallery), self.block):
            block = slice(start, start + self.block)
            scores = self.queries @ self.gallery[block].T
            own = (self.masked >= start) & (self.masked < start + scores.shape[1])
            scores[own, self.masked[own] - start] = -torch.inf
            yield start, scores, (self.labels[None, block] == self.target_labels[:, None]) & scores.isfinite()


def _pack(scores: Float[Tensor, "queries block"], start: int) -> Int[Tensor, "queries block"]:
    """One integer for each image that sorts by score first and, at equal scores, puts earlier images higher.

    The bits of a float32, read as an integer, sort like the float if the lower bits of negatives are flipped.
    """
    bits = (scores.float() + 0.0).view(torch.int32).long()  # + 0.0 makes -0.0 equal to 0.0
    ordered = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)
    positions = torch.arange(start, start + scores.shape[1], device=scores.device)
    return (ordered << 32) | (0xFFFFFFFF - positions)


def _unpack(
    keys: Int[Tensor, "queries top"],
) -> tuple[Float[Tensor, "queries top"], Int[Tensor, "queries top"]]:
    """Scores and gallery positions of packed keys."""
    ordered = keys >> 32
    bits = torch.where(ordered < 0, ordered ^ 0x7FFFFFFF, ordered)
    return bits.int().view(torch.float32), 0xFFFFFFFF - (keys & 0xFFFFFFFF)
