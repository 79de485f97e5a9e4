"""Pairs of captions that differ by one word, and the texts that lead from one to the other.

A caption's parents are what is left of it when one word is taken out; two captions with a parent in common
differ by one word. Training pairs are drawn from them anew for every epoch, by seed and number of the draw
alone, so that two runs with one seed see the same pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, TypeVar

import numpy as np

T = TypeVar("T")

PairText = Literal["replace", "replace_and_get"]


class Pair(NamedTuple):
    """An image and one whose caption differs by a word, as positions in the list of captions."""

    reference: int
    target: int


def modification(reference: str, target: str, text: PairText) -> str:
    """`replace A with B` for two captions, and in the other form also the target's caption.

    A is the first word of the reference's caption that the target's lacks, B the other way round; where there
    is none, the last word stands in, as in the published evaluation.
    """
    old, new = _lacking(reference, target), _lacking(target, reference)
    said = f"replace {old} with {new}"
    return said if text == "replace" else f"{said} and get {target}"


def draw_pairs(captions: Sequence[str], *, seed: int, draw: int) -> Iterator[Pair]:
    """One pair for every image that has a partner, in the order of the images.

    Among the captions of an image's parents one that is not its own is drawn, then one image that has it.
    """
    random = np.random.default_rng([seed, draw])
    images = _positions(captions)
    children = _children(images)
    usable = {caption: [p for p in _parents(caption) if len(children[p]) > 1] for caption in images}
    for reference, caption in enumerate(captions):
        if not usable[caption]:
            continue
        other = caption
        while other == caption:
            siblings = children[_pick(usable[caption], random)]
            other = _pick(siblings, random)
        yield Pair(reference, _pick(images[other], random))


def _lacking(caption: str, other: str) -> str:
    words, others = caption.split(), set(other.split())
    return next((word for word in words if word not in others), words[-1])


def _positions(captions: Sequence[str]) -> dict[str, list[int]]:
    images: dict[str, list[int]] = {}
    for number, caption in enumerate(captions):
        images.setdefault(caption, []).append(number)
    return images


def _children(captions: Mapping[str, object]) -> dict[str, list[str]]:
    children: dict[str, list[str]] = {}
    for caption in captions:
        for parent in _parents(caption):
            children.setdefault(parent, []).append(caption)
    return children


def _parents(caption: str) -> list[str]:
    words = caption.split()
    without = (" ".join(words[:place] + words[place + 1 :]) for place in range(len(words)))
    return list(dict.fromkeys(without))


def _pick(items: Sequence[T], random: np.random.Generator) -> T:
    return items[int(random.integers(len(items)))]
