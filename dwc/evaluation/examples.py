"""Queries worth looking at: some that went well, and those that went worst, with what was found."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, zip_longest
from typing import Any, Literal

import numpy as np
import pandas as pd
from PIL import Image

from dwc.evaluation.systems import text_rows
from dwc.html import picture
from dwc.store.dataset import Store
from dwc.store.pictures import Pixels

Row = Mapping[Hashable, Any]
Role = Literal["reference", "target", "relevant", "other"]

_SIDE = 120  # pixels: shown at some 90 CSS pixels, so still sharp on dense screens
_LAST = 1 << 31  # a query without any hit in its gallery ranks after all others


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One picture of an example; place and score where it is a result."""

    image_id: str
    source: str
    role: Role
    place: int | None = None
    score: float | None = None


@dataclass(frozen=True, kw_only=True)
class Example:
    """A query with its first results.

    target: only where the target is not among them; noise: what is known to be wrong with its captions.
    """

    triplet_id: str
    category: str
    text: str
    noise: list[str]
    rank: int | None
    gallery_images: int
    image_weight_cnn: float
    image_weight_clip: float
    reference: Shown
    results: list[Shown]
    target: Shown | None


def best_queries(rankings: pd.DataFrame, count: int) -> list[str]:
    """Triplet ids of well answered queries, the categories in turn.

    Of a category's queries at its best rank, those picked lie evenly over the CNN stream's image weight, so
    that image-led and text-led queries are both seen. rankings: one system's rows.
    """
    picked = []
    categories = list(rankings.groupby("category"))
    share = -(-count // len(categories))
    for _, rows in categories:
        ordered = rows.sort_values(["rank", "image_weight_cnn", "triplet_id"], na_position="last")
        ties = max(share, int((ordered["rank"] == ordered["rank"].iloc[0]).sum()))
        places = np.linspace(0, min(ties, len(ordered)) - 1, min(share, len(ordered)))
        picked.append(ordered["triplet_id"].iloc[places.round().astype(int)].tolist())
    return _in_turn(picked)[:count]


def worst_queries(rankings: pd.DataFrame, count: int) -> list[str]:
    """Triplet ids of the queries whose best hit ranks last, worst first; no hit at all comes first of all."""
    ranks = rankings["rank"].fillna(_LAST)
    ordered = rankings.assign(rank=ranks).sort_values(["rank", "triplet_id"], ascending=[False, True])
    return ordered["triplet_id"].head(count).tolist()


def _in_turn(lists: Sequence[Sequence[str]]) -> list[str]:
    return [name for name in chain.from_iterable(zip_longest(*lists)) if name is not None]


def _noise_notes(kinds: Sequence[str]) -> list[str]:
    """Notes such as `caption 2 is noisy (contradicting)`; none for clean captions."""
    return [
        f"caption {number} is noisy ({kind.replace('_', ' ')})"
        for number, kind in enumerate(kinds, start=1)
        if kind != "clean"
    ]


@dataclass(frozen=True, kw_only=True)
class Album:
    """Makes examples of one system's answers.

    rankings: the system's rows; labels: image_id -> label, an image with the target's label being a hit;
    relevant: triplet_id -> ids of all images that satisfy the query, and noise: triplet_id -> kind of each
    caption's noise, where known; gallery_sizes: category -> images; shown: results in an example.
    """

    store: Store
    rankings: pd.DataFrame
    labels: Mapping[str, str]
    relevant: Mapping[str, Sequence[str]]
    noise: Mapping[str, Sequence[str]]
    gallery_sizes: Mapping[str, int]
    shown: int = 8

    def examples(self, triplet_ids: Sequence[str]) -> list[Example]:
        """Examples of the given queries, in their order."""
        triplets = self.store.triplets.set_index("triplet_id").loc[list(triplet_ids)]
        answers = self.rankings.set_index("triplet_id").loc[list(triplet_ids)].to_dict("records")
        rows = zip(triplet_ids, answers, triplets.to_dict("records"), text_rows(triplets), strict=True)
        return [
            self._example(name, answer, triplet, self.store.texts[row]) for name, answer, triplet, row in rows
        ]

    def _example(self, name: str, answer: Row, triplet: Row, text: str) -> Example:
        target = self.store.image_ids[triplet["target"]]
        results = self._results(answer, target, self.relevant.get(name, ()))
        found = any(result.role == "target" for result in results)
        return Example(
            triplet_id=name,
            category=str(answer["category"]),
            text=text,
            noise=_noise_notes(self.noise.get(name, ())),
            rank=None if pd.isna(answer["rank"]) else int(answer["rank"]),
            gallery_images=self.gallery_sizes[answer["category"]],
            image_weight_cnn=float(answer["image_weight_cnn"]),
            image_weight_clip=float(answer["image_weight_clip"]),
            reference=self._shown(self.store.image_ids[triplet["reference"]], "reference"),
            results=results,
            target=None if found else self._shown(target, "target"),
        )

    def _results(self, answer: Row, target: str, relevant: Sequence[str]) -> list[Shown]:
        first = zip(answer["image_ids"][: self.shown], answer["scores"][: self.shown], strict=True)
        results = []
        for place, (image_id, score) in enumerate(first, start=1):
            role: Role = "relevant" if image_id in relevant else "other"
            role = "target" if self.labels[image_id] == self.labels[target] else role
            results.append(self._shown(image_id, role, place, float(score)))
        return results

    def _shown(
        self, image_id: str, role: Role, place: int | None = None, score: float | None = None
    ) -> Shown:
        image = Image.fromarray(self.pixels(image_id))
        image.thumbnail((_SIDE, _SIDE))
        return Shown(
            image_id=image_id, source=picture(image, quality=80), role=role, place=place, score=score
        )

    def pixels(self, image_id: str) -> Pixels:
        """Stored pixels of an image."""
        return np.asarray(self.store.pixels[self._row_of[image_id]])

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {image_id: row for row, image_id in enumerate(self.store.image_ids)}
