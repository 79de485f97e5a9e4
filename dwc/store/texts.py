"""How a triplet's captions become the texts that the two streams read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import permutations
from typing import Literal

CaptionVariants = Literal["joined", "orders_and_singles"]
CaptionJoining = Literal["and_token", "and_word"]


def sentence(captions: Sequence[str]) -> str:
    """What the CLIP reads: the captions joined by "and"."""
    return " and ".join(captions)


def clean(captions: Iterable[str]) -> tuple[str, ...]:
    """Captions without surrounding and repeated white space; blank ones are left out."""
    return tuple(text for caption in captions if (text := " ".join(caption.split())))


def variants(captions: Sequence[str], kind: CaptionVariants) -> list[tuple[str, ...]]:
    """Caption tuples that training may show for a triplet; the first is the one evaluation uses."""
    joined = tuple(captions)
    if kind == "joined" or len(captions) < 2:
        return [joined]
    others = [*permutations(joined), *((caption,) for caption in joined)]
    return list(dict.fromkeys([joined, *others]))
