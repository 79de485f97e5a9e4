"""The demo catalogue before anything is drawn: its garments, the queries between them and their truth."""

from collections import defaultdict
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.random import Generator

from dwc.raw.drawn.families import (
    Accepted,
    Wish,
    accepted_values,
    choose_pairs,
    grow_families,
    intend,
    satisfying,
)
from dwc.raw.drawn.phrases import Noise, title, write_captions
from dwc.raw.drawn.traits import CATEGORIES, Attributes

SPLITS = ("train", "val")
VAL_SHARE = 300 / 1400  # of a category's images
QUERIES_PER_IMAGE = {"train": 1500 / 1100, "val": 1.0}


@dataclass(frozen=True, kw_only=True)
class Item:
    """One photograph to be taken."""

    image_id: str
    split: str
    title: str
    attributes: Attributes


@dataclass(frozen=True, kw_only=True)
class Query:
    """One triplet and its truth.

    `relevant` holds every image of the query's split that satisfies it, the reference never.
    """

    triplet_id: str
    reference: str
    target: str
    captions: list[str]
    noise: list[Noise]
    wishes: tuple[Wish, ...]
    accepted: Accepted
    relevant: list[str]


@dataclass(frozen=True, kw_only=True)
class Part:
    """One category's share of one split."""

    category: str
    split: str
    items: list[Item]
    queries: list[Query]


def _query(
    triplet_id: str,
    reference: Item,
    target: Item,
    shelf: dict[Attributes, list[str]],
    noise: float,
    rng: Generator,
) -> Query:
    wishes = intend(reference.attributes, target.attributes, rng)
    accepted = accepted_values(reference.attributes, target.attributes, wishes)
    captions, kinds = write_captions(wishes, reference.attributes.category, noise, rng)
    relevant = satisfying(reference.attributes, accepted, shelf)
    assert reference.image_id not in relevant, f"{triplet_id}: its reference satisfies it unchanged"
    assert target.image_id in relevant, f"{triplet_id}: {target.image_id} does not satisfy its own query"
    return Query(
        triplet_id=triplet_id,
        reference=reference.image_id,
        target=target.image_id,
        captions=captions,
        noise=kinds,
        wishes=wishes,
        accepted=accepted,
        relevant=relevant,
    )


def _part(category: str, split: str, image_ids: list[str], noise_share: float, rng: Generator) -> Part:
    families = grow_families(category, len(image_ids), rng)
    items = [
        Item(image_id=image_id, split=split, title=title(garment, rng), attributes=garment)
        for image_id, garment in zip(image_ids, chain.from_iterable(families), strict=True)
    ]
    shelf: dict[Attributes, list[str]] = defaultdict(list)
    for item in items:
        shelf[item.attributes].append(item.image_id)
    pairs = choose_pairs(families, round(len(items) * QUERIES_PER_IMAGE[split]), rng)
    queries = [
        _query(f"{category}.{split}.{n:06d}", items[reference], items[target], shelf, noise_share, rng)
        for n, (reference, target) in enumerate(pairs)
    ]
    return Part(
        category=category, split=split, items=sorted(items, key=lambda item: item.image_id), queries=queries
    )


def plan_catalogue(images: int, seed: int, noise_share: float) -> list[Part]:
    """Plans `images` photographs in six parts, families whole within a part, and all queries.

    Image ids are shuffled within a category, so that neither split nor family can be read from them.
    """
    parts = []
    for n, category in enumerate(CATEGORIES):
        rng = np.random.default_rng([seed, 1, n])
        count = images // 3 + (n < images % 3)
        ids = [f"{category}-{number:06d}" for number in rng.permutation(count)]
        val = round(count * VAL_SHARE)
        parts.append(_part(category, "train", ids[val:], noise_share, rng))
        parts.append(_part(category, "val", ids[:val], noise_share, rng))
    return parts
