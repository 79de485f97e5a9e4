"""What an explanation of one query says: plain values, nothing of the networks that made them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from dwc.store.vocabulary import split_words

RegionMap = Float[np.ndarray, "rows columns"]
"""one value for each region of the reference picture, as it is seen: top row first"""

_EDGES = ".,;:!?…\"“”„'’()[]"


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What leaving a word out changes, in each stream.

    score_*: what the judged image's score loses, negative where it would gain; change_*: 1 − cosine of the
    query embeddings with and without the word, 0 = the stream ignores it; rank: the judged image's place
    without the word.
    """

    score_cnn: float
    score_clip: float
    change_cnn: float
    change_clip: float
    rank: int

    @property
    def score(self) -> float:
        """Of both streams together: exact, because retrieval adds their scores."""
        return self.score_cnn + self.score_clip

    @property
    def change(self) -> float:
        """1 − cosine of the concatenated embeddings, which is the mean of both streams."""
        return (self.change_cnn + self.change_clip) / 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Word:
    """A distinct word of the text, wherever it occurs.

    known: in the CNN stream's vocabulary; the CLIP reads any word.
    tokens: places that it takes in what the CNN stream reads.
    attended: the share of each region's word attention that goes to this word; with all other words and the
        marks a region's shares sum to one.
    looked_at: the word's spatial attention, which sums to one over the regions. Both maps are None without
        editors, and for what the CNN stream does not read, such as a lone dash.
    """

    text: str
    known: bool
    tokens: int
    effect: Effect
    attended: RegionMap | None
    looked_at: RegionMap | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Explanation:
    """Why a query finds what it finds.

    judged: gallery position of the image whose score the words' effects are told of; rank: its place, from 1;
    score_*, image_weight_*: of each stream. image_kept, text_kept: length of the CLIP stream's embeddings
    after editing, where 1 = nothing taken away. rewritten: by region, the text's share in the CNN stream's
    edited feature map (0 = as it was); None without editors.
    """

    words: tuple[Word, ...]
    judged: int
    rank: int
    score_cnn: float
    score_clip: float
    image_weight_cnn: float
    image_weight_clip: float
    image_kept: float
    text_kept: float
    rewritten: RegionMap | None

    @property
    def score(self) -> float:
        """The judged image's score, between -2 and 2."""
        return self.score_cnn + self.score_clip

    @property
    def marks_share(self) -> float:
        """Share of the word attention on the marks of beginning, joint and end; 0 without editors."""
        maps = [word.attended for word in self.words if word.attended is not None]
        return float(1.0 - np.sum(maps, axis=0).mean()) if maps else 0.0


@dataclass(frozen=True, kw_only=True)
class ExplainedQuery:
    """An explanation of a query of an evaluation; judged: what the image is that it is judged by."""

    explanation: Explanation
    judged: Literal["the target", "the first result"]


@dataclass(frozen=True, kw_only=True)
class Occurrences:
    """A distinct word and its places: (caption, position among the caption's words)."""

    text: str
    places: tuple[tuple[int, int], ...]


def distinct_words(captions: Sequence[str]) -> list[Occurrences]:
    """The words of clean captions in reading order, each once; case and punctuation make no other word."""
    places: dict[tuple[str, ...], list[tuple[int, int]]] = {}
    texts: dict[tuple[str, ...], str] = {}
    for caption, text in enumerate(captions):
        for position, word in enumerate(text.split()):
            key = tuple(split_words(word)) or (word,)
            places.setdefault(key, []).append((caption, position))
            texts.setdefault(key, word.strip(_EDGES) or word)
    return [Occurrences(text=texts[key], places=tuple(found)) for key, found in places.items()]


def without(captions: Sequence[str], word: Occurrences) -> tuple[str, ...]:
    """The captions with every occurrence of a word left out; a caption of nothing else is left out whole."""
    rest = []
    for caption, text in enumerate(captions):
        kept = [part for place, part in enumerate(text.split()) if (caption, place) not in word.places]
        rest.append(" ".join(kept))
    return tuple(text for text in rest if text)


def token_places(captions: Sequence[str], word: Occurrences) -> list[int]:
    """Positions of a word in what the CNN stream reads: `<BOS> first caption <AND> second caption <EOS>`."""
    found: list[int] = []
    position = 0
    for caption, text in enumerate(captions):
        position += 1  # <BOS>, or <AND> between captions
        for place, part in enumerate(text.split()):
            tokens = len(split_words(part))
            if (caption, place) in word.places:
                found.extend(range(position, position + tokens))
            position += tokens
    return found
