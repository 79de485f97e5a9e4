"""An explanation as pages show it: bars, overlays and the words by region, ready for the templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from dwc.evaluation.examples import Album, Example
from dwc.evaluation.explanation import ExplainedQuery, Explanation, RegionMap, Word
from dwc.evaluation.overlay import Picture, above_even, heat
from dwc.html import COLOURS, picture

FULL = (1.5, 4.0)  # the attention of full colour, times even: the query's strongest within these bounds
NEARLY_EVEN = 1.25  # below this share, times even, nothing stands out
OVERLAYS = 8  # words that are shown with a picture of their own: those that change the query most
REGION_COLOURS = COLOURS[:5]
HEAT = "#e0701a"  # the CNN stream's orange, stronger: it has to show on cloth of any colour


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A bar in percent of the room it has: where it begins and how long it is."""

    start: float
    length: float


@dataclass(frozen=True, kw_only=True)
class ShownWord:
    """A word's row in the table. change: bars of the CNN and the CLIP stream, one after the other."""

    word: Word
    change: tuple[Bar, Bar]
    score: Bar


@dataclass(frozen=True, kw_only=True)
class Overlay:
    """The picture under one word's spatial attention; peak: its strongest region, times an even share."""

    text: str
    source: str
    peak: float


@dataclass(frozen=True, kw_only=True)
class Region:
    """The word that a region attends to most; share: of its attention, at each place of the word on average.

    shade: opacity of the colour.
    """

    text: str
    share: float
    colour: str
    shade: float


@dataclass(frozen=True, kw_only=True)
class Explained:
    """All that the template shows of one query.

    judged: what the judged image is called, such as "the first result"; zero: where the score bars begin, in
    percent; rewritten_range: the text's least and largest share of a region; peak: the strongest spatial
    attention and full: the one drawn in full colour, both times an even share. Overlays and regions are empty
    and rewritten is None for a model without editors.
    """

    explanation: Explanation
    judged: str
    reference: str
    words: list[ShownWord]
    zero: float
    overlays: list[Overlay]
    regions: list[list[Region]]
    rewritten: str | None
    rewritten_range: tuple[float, float]
    peak: float
    full: float

    @property
    def nearly_even(self) -> bool:
        """Whether no word prefers any region."""
        return self.peak < NEARLY_EVEN


def show(explanation: Explanation, reference: Picture, judged: str, *, quality: int = 82) -> Explained:
    """Prepare an explanation for a page; `reference` is the picture at the size it is shown in."""
    rewritten = explanation.rewritten
    looked = [word.looked_at for word in explanation.words if word.looked_at is not None]
    peak = max((float(found.max() * found.size) for found in looked), default=0.0)
    full = float(np.clip(peak, *FULL))
    zero, words = _bars(explanation.words)
    return Explained(
        explanation=explanation,
        judged=judged,
        reference=picture(reference, quality),
        words=words,
        zero=zero,
        overlays=_overlays(explanation.words, reference, full, quality),
        regions=_regions(explanation),
        rewritten=None if rewritten is None else picture(_rewritten(reference, rewritten), quality),
        rewritten_range=(0.0, 0.0) if rewritten is None else (float(rewritten.min()), float(rewritten.max())),
        peak=peak,
        full=full,
    )


def show_examples(
    explanations: Mapping[str, ExplainedQuery], album: Album, side: int = 144
) -> list[tuple[Example, Explained]]:
    """Explained queries for the report, in the order given. side: of their pictures, pixels."""
    shown = []
    for example in album.examples(list(explanations)):
        found = explanations[example.triplet_id]
        reference = Image.fromarray(album.pixels(example.reference.image_id))
        enlarged = np.asarray(reference.resize((side, side), Image.Resampling.BICUBIC))
        shown.append((example, show(found.explanation, enlarged, found.judged, quality=70)))
    return shown


def _rewritten(reference: Picture, share: RegionMap) -> Picture:
    """The map stretched from its least to its largest value, because the differences are what is told."""
    span = float(share.max() - share.min())
    return heat(reference, (share - share.min()) / (span or 1.0), COLOURS[3])


def _bars(words: Sequence[Word]) -> tuple[float, list[ShownWord]]:
    """Where score bars begin, and each word's bars on scales common to all words."""
    scores = [word.effect.score for word in words]
    low, high = min([0.0, *scores]), max([0.0, *scores])
    span = (high - low) or 1.0
    most = max((word.effect.change for word in words), default=0.0) or 1.0
    shown = []
    for word in words:
        # The bar of both streams is as long as their mean, so each stream's part is half of its own change.
        cnn, clip = (100 * part / 2 / most for part in (word.effect.change_cnn, word.effect.change_clip))
        shown.append(
            ShownWord(
                word=word,
                change=(Bar(start=0.0, length=cnn), Bar(start=cnn, length=clip)),
                score=Bar(
                    start=100 * (min(word.effect.score, 0.0) - low) / span,
                    length=100 * abs(word.effect.score) / span,
                ),
            )
        )
    return 100 * -low / span, shown


def _overlays(words: Sequence[Word], reference: Picture, full: float, quality: int) -> list[Overlay]:
    """Of the words that change the query most, in reading order."""
    looking = [word for word in words if word.looked_at is not None]
    most = sorted(looking, key=lambda word: -word.effect.change)[:OVERLAYS]
    overlays = []
    for word in looking:
        if word in most and word.looked_at is not None:
            strength = above_even(word.looked_at, full)
            overlays.append(
                Overlay(
                    text=word.text,
                    source=picture(heat(reference, strength, HEAT), quality),
                    peak=float(word.looked_at.max() * word.looked_at.size),
                )
            )
    return overlays


def _regions(explanation: Explanation) -> list[list[Region]]:
    """Each region's most attended word; the words that win most regions have colours of their own.

    Counted at each place of a word, or else a word that is often said would win by that alone.
    """
    read = [(word, word.attended) for word in explanation.words if word.attended is not None]
    if not read:
        return []
    attended = np.stack([found / word.tokens for word, found in read])
    best, shares = attended.argmax(axis=0), attended.max(axis=0)
    wins = np.bincount(best.ravel(), minlength=len(attended))
    order = np.argsort(-wins, kind="stable").tolist()
    colours = {word: REGION_COLOURS[place % len(REGION_COLOURS)] for place, word in enumerate(order)}
    strongest = float(shares.max())
    return [
        [
            Region(
                text=read[word][0].text,
                share=float(share),
                colour=colours[word],
                shade=0.25 + 0.5 * float(share) / strongest,
            )
            for word, share in zip(row_best, row_shares, strict=True)
        ]
        for row_best, row_shares in zip(best.tolist(), shares.tolist(), strict=True)
    ]
