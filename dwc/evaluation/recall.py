"""Exact ranking of a gallery by dot product, streamed: the full queries-by-gallery matrix never exists.

The order is a total one, so results do not depend on the block sizes. In the list of top images equal scores
stand in gallery order. The rank of the hit is pessimistic: every image that is no hit and scores as much as
the best hit counts as ranked before it, so a collapsed model that gives all images one score cannot shine.

The gallery is read once, a block at a time, and may lie on disk. Of a block's scores only those are looked at
that are better than the worst of a query's list: after the first blocks these are few.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from dwc.mapped import let_go

Gallery = Float[Tensor, "gallery dim"] | Float[np.ndarray, "gallery dim"]

TIE = 1e-6
"""Scores this close count as equal in the rank of the hit: the rounding of float32 sums of unit vectors."""
_CHUNK = 64  # scores whose maximum alone is compared at first


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


@torch.no_grad()
def rank(
    queries: Float[Tensor, "queries dim"],
    gallery: Gallery,
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

    gallery: a tensor where the queries are, or an array of any floating type, which may be memory-mapped.
    A gallery image is a hit where its label equals the query's target label. `masked` is the gallery position
    left out of each query's ranking, -1 = none; a masked image is no hit either. progress counts gallery
    images. Memory is bounded by query_block * gallery_block scores, gallery_block embeddings and `top` keys
    for each query. Raises ValueError where embeddings are not finite.
    """
    _require_finite("query", queries)
    searches = [
        _Search(
            queries=queries[start : start + query_block],
            target_labels=target_labels[start : start + query_block],
            masked=masked[start : start + query_block],
            labels=labels,
            top=min(top, len(gallery)),
        )
        for start in range(0, len(queries), query_block)
    ]
    for search in searches:
        search.score_hits(gallery, gallery_block)
    room = queries.new_empty(min(query_block, len(queries)) * min(gallery_block, len(gallery)))
    for start in range(0, len(gallery), gallery_block):
        images = _rows(gallery, slice(start, start + gallery_block), queries)
        _require_finite("gallery", images)
        for search in searches:
            search.look_at(images, start, room)
        if progress is not None:
            progress(start + len(images), len(gallery))
    return _joined([search.ranking() for search in searches])


def _require_finite(name: str, embeddings: Float[Tensor, "rows dim"]) -> None:
    if embeddings.numel() and not all(bound.isfinite() for bound in embeddings.aminmax()):
        raise ValueError(f"A {name} embedding is not finite. The model diverged; train it again.")


def _rows(
    gallery: Gallery, rows: slice | Int[Tensor, " rows"], like: Float[Tensor, "queries dim"]
) -> Float[Tensor, "rows dim"]:
    """Rows of the gallery, in the number format of the queries and where they are."""
    if isinstance(gallery, Tensor):
        return gallery[rows]
    copy = np.array(gallery[rows if isinstance(rows, slice) else rows.cpu().numpy()])
    let_go(gallery)
    return torch.from_numpy(copy).to(like.device, like.dtype)


def _joined(parts: list[Ranking]) -> Ranking:
    return Ranking(
        top_positions=torch.cat([part.top_positions for part in parts]),
        top_scores=torch.cat([part.top_scores for part in parts]),
        rank_of_hit=torch.cat([part.rank_of_hit for part in parts]),
    )


@dataclass(kw_only=True)
class _Search:
    """A block of queries, and what it knows of the gallery so far; its hits alone are scored beforehand.

    hit_places: gallery positions that are hits of any of these queries, ascending: few of the gallery;
    hit_score: of each query's best hit, -inf = no hit; ahead: images that are no hits and do not stand behind
    it; keys: the best images, best first; waiting: query and key of images that may come among them.
    """

    queries: Float[Tensor, "queries dim"]
    target_labels: Int[Tensor, " queries"]
    masked: Int[Tensor, " queries"]
    labels: Int[Tensor, " gallery"]
    top: int
    hit_places: Int[Tensor, " places"] = field(init=False)
    hit_score: Float[Tensor, " queries"] = field(init=False)
    ahead: Int[Tensor, " queries"] = field(init=False)
    keys: Int[Tensor, "queries top"] = field(init=False)
    waiting: list[tuple[Int[Tensor, " found"], Int[Tensor, " found"]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.hit_places = torch.isin(self.labels, self.target_labels).nonzero().squeeze(1)
        self.hit_score = self.queries.new_full((len(self.queries),), -torch.inf)
        self.ahead = torch.zeros_like(self.target_labels)
        self.keys = self.target_labels.new_full((len(self.queries), self.top), _NO_IMAGE)

    def score_hits(self, gallery: Gallery, block: int) -> None:
        """Find the score of each query's best hit, `block` hits at a time."""
        for start in range(0, len(self.hit_places), block):
            places = self.hit_places[start : start + block]
            scores = self.queries @ _rows(gallery, places, self.queries).T
            hits = self._are_hits(places) & (places != self.masked[:, None])
            self.hit_score = torch.maximum(self.hit_score, scores.where(hits, -torch.inf).amax(1))

    def look_at(self, images: Float[Tensor, "block dim"], start: int, room: Float[Tensor, " room"]) -> None:
        """Rank the images that stand in the gallery from `start` on; `room` is overwritten."""
        shape = len(self.queries), len(images)
        scores = torch.mm(self.queries, images.T, out=room[: math.prod(shape)].view(shape))
        asking = ((start <= self.masked) & (self.masked < start + len(images))).nonzero().squeeze(1)
        scores[asking, self.masked[asking] - start] = -torch.inf
        self._keep_best(scores, start)
        self.ahead += self._not_behind(scores, start)

    def ranking(self) -> Ranking:
        """What was found."""
        if self.waiting:
            self._settle()
        best, positions = _unpack(self.keys)
        return Ranking(
            top_positions=positions.masked_fill(best == -torch.inf, -1).cpu(),
            top_scores=best.cpu(),
            rank_of_hit=torch.where(self.hit_score == -torch.inf, torch.inf, 1.0 + self.ahead.double()).cpu(),
        )

    def _not_behind(self, scores: Float[Tensor, "queries block"], start: int) -> Int[Tensor, " queries"]:
        """How many images that are no hits score as much as the best hit; overwrites the scores.

        1.0 and 0.0 in their place are written and summed in half the time of truth values.
        """
        reached = torch.ge(scores, (self.hit_score - TIE)[:, None], out=scores)
        ends = torch.tensor([start, start + scores.shape[1]], device=scores.device)
        low, high = torch.searchsorted(self.hit_places, ends).tolist()
        places = self.hit_places[low:high]
        hits = reached[:, places - start] * self._are_hits(places)
        return (reached.sum(1) - hits.sum(1)).long()

    def _keep_best(self, scores: Float[Tensor, "queries block"], start: int) -> None:
        """Let the images wait that are better than the last of the keys; an equal one stays behind it.

        In the first block, which has no keys before it, those that are no worse than its own best.
        """
        floor = _unpack(self.keys[:, -1])[0]
        if not start:
            worst = scores.topk(min(self.top, scores.shape[1]), dim=1).values[:, -1]
            floor = torch.nextafter(worst, torch.full_like(worst, -torch.inf))
        query, place = _above(scores, floor)
        self.waiting.append((query, _pack(scores[query, place], start + place)))
        if not start or sum(len(query) for query, _ in self.waiting) > self.keys.numel():
            self._settle()

    def _settle(self) -> None:
        """Sort what waits into the keys."""
        query, keys = (torch.cat(column) for column in zip(*self.waiting, strict=True))
        query, order = query.sort(stable=True)
        counts = torch.bincount(query, minlength=len(self.keys))
        slot = torch.arange(len(query), device=query.device) - (counts.cumsum(0) - counts)[query]
        new = self.keys.new_full((len(self.keys), int(counts.max())), _NO_IMAGE)
        new[query, slot] = keys[order]
        self.keys = torch.cat([self.keys, new], dim=1).topk(self.top, dim=1).values
        self.waiting = []

    def _are_hits(self, places: Int[Tensor, " places"]) -> Bool[Tensor, "queries places"]:
        return self.labels[None, places] == self.target_labels[:, None]


def _above(
    scores: Float[Tensor, "queries block"], floor: Float[Tensor, " queries"]
) -> tuple[Int[Tensor, " found"], Int[Tensor, " found"]]:
    """Query and place of the scores above each query's floor, ordered by both."""
    width = math.gcd(scores.shape[1], _CHUNK)
    chunks = scores.unflatten(1, (-1, width))
    query, chunk = (chunks.amax(2) > floor[:, None]).nonzero(as_tuple=True)
    some, place = (chunks[query, chunk] > floor[query, None]).nonzero(as_tuple=True)
    return query[some], chunk[some] * width + place


def _pack(scores: Float[Tensor, "*shape"], positions: Int[Tensor, "*positions"]) -> Int[Tensor, "*shape"]:
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


_NO_IMAGE = int(_pack(torch.tensor(-torch.inf), torch.tensor(0xFFFFFFFF)))
