"""Exact ranking of a gallery by dot product, streamed: the full queries-by-gallery matrix never exists.

The order is a total one, so results do not depend on the block sizes. In the list of top images equal scores
stand in gallery order. The rank of the hit is pessimistic: every image that is no hit and scores as much as
the best hit counts as ranked before it, so a collapsed model that gives all images one score cannot shine.
"""

from __future__ import annotations

from collections.abc import Callable
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
    """One block of queries against the whole gallery, in one pass: the hits alone are scored before it."""

    queries: Float[Tensor, "queries dim"]
    gallery: Float[Tensor, "gallery dim"]
    labels: Int[Tensor, " gallery"]
    target_labels: Int[Tensor, " queries"]
    masked: Int[Tensor, " queries"]
    top: int
    block: int

    def run(self) -> Ranking:
        wanted = torch.isin(
            self.labels, self.target_labels
        )  # hits of any of these queries: few of the gallery
        hit_score = self._best_hit(wanted.nonzero().squeeze(1))
        ahead = torch.zeros_like(hit_score, dtype=torch.int64)
        keys = torch.empty(len(self.queries), 0, dtype=torch.int64, device=self.queries.device)
        for start in range(0, len(self.gallery), self.block):
            places = torch.arange(start, min(start + self.block, len(self.gallery)), device=keys.device)
            scores = self._scores(self.gallery[start : start + self.block], places)
            ahead += self._not_behind(scores, hit_score - TIE, places, wanted)
            keys = _merge(keys, scores, start, self.top)
        best, positions = _unpack(keys)
        absent = best == -torch.inf
        return Ranking(
            top_positions=positions.masked_fill(absent, -1).cpu(),
            top_scores=best.cpu(),
            rank_of_hit=torch.where(hit_score == -torch.inf, torch.inf, 1.0 + ahead.double()).cpu(),
        )

    def _best_hit(self, places: Int[Tensor, " places"]) -> Float[Tensor, " queries"]:
        """Score of each query's best hit, which is at one of `places`; -inf = no hit."""
        best = torch.full((len(self.queries),), -torch.inf, device=self.queries.device)
        for start in range(0, len(places), self.block):
            some = places[start : start + self.block]
            hits = self.labels[None, some] == self.target_labels[:, None]
            best = torch.maximum(best, self._scores(self.gallery[some], some).where(hits, -torch.inf).amax(1))
        return best

    def _scores(
        self, images: Float[Tensor, "places dim"], places: Int[Tensor, " places"]
    ) -> Float[Tensor, "queries places"]:
        """Scores of images that stand at `places` of the gallery, in ascending order; masked ones -inf."""
        scores = self.queries @ images.T
        place = torch.searchsorted(places, self.masked).clamp(max=len(places) - 1)
        own = places[place] == self.masked
        scores[own, place[own]] = -torch.inf
        return scores

    def _not_behind(
        self,
        scores: Float[Tensor, "queries places"],
        threshold: Float[Tensor, " queries"],
        places: Int[Tensor, " places"],
        wanted: Bool[Tensor, " gallery"],
    ) -> Int[Tensor, " queries"]:
        """How many images that are no hits score at least `threshold`."""
        reached = scores >= threshold[:, None]
        columns = wanted[places].nonzero().squeeze(1)
        hits = self.labels[None, places[columns]] == self.target_labels[:, None]
        return reached.count_nonzero(1) - (reached[:, columns] & hits).count_nonzero(1)


def _merge(
    keys: Int[Tensor, "queries kept"], scores: Float[Tensor, "queries block"], start: int, top: int
) -> Int[Tensor, "queries top"]:
    """The keys of the best images so far, best first, after another block.

    Once there are `top`, only scores above the last one's are looked at; an equal one comes later in the
    gallery and stays behind it.
    """
    if keys.shape[1] < top:
        new = _pack(scores, torch.arange(start, start + scores.shape[1], device=scores.device))
    else:
        last, _ = _unpack(keys[:, -1])
        above = scores > last[:, None]
        counts = above.count_nonzero(1)
        query, place = above.nonzero(as_tuple=True)
        slot = torch.arange(len(query), device=query.device) - (counts.cumsum(0) - counts)[query]
        new = keys.new_full((len(keys), int(counts.max())), torch.iinfo(torch.int64).min)
        new[query, slot] = _pack(scores[query, place], start + place)
    candidates = torch.cat([keys, new], dim=1)
    return candidates.topk(min(top, candidates.shape[1]), dim=1).values


def _pack(scores: Float[Tensor, "*shape"], positions: Int[Tensor, " _"]) -> Int[Tensor, "*shape"]:
    """One integer for each image that sorts by score first and, at equal scores, puts earlier images higher.

    The bits of a float32, read as an integer, sort like the float if the lower bits of negatives are flipped.
    """
    bits = (scores.float() + 0.0).view(torch.int32).long()  # + 0.0 makes -0.0 equal to 0.0
    ordered = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)
    return (ordered << 32) | (0xFFFFFFFF - positions)


def _unpack(keys: Int[Tensor, "*shape"]) -> tuple[Float[Tensor, "*shape"], Int[Tensor, "*shape"]]:
    """Scores and gallery positions of packed keys."""
    ordered = keys >> 32
    bits = torch.where(ordered < 0, ordered ^ 0x7FFFFFFF, ordered)
    return bits.int().view(torch.float32), 0xFFFFFFFF - (keys & 0xFFFFFFFF)
