"""What a retriever is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dwc.evaluation.explanation import Explanation


@dataclass(frozen=True, kw_only=True)
class Question:
    """A picture, and how what is wanted differs from it.

    image: an encoded picture file; text: one caption or several; k: number of images wanted; image_weight:
    0 (only the text counts) to 1 (only the picture), None = as the model judges; category: search only there.
    """

    image: bytes
    text: str | Sequence[str]
    k: int = 10
    image_weight: float | None = None
    category: str | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Found images, best first, and how much of the query came from the picture in each stream (0 to 1).

    scores: q_cnn·g_cnn + q_clip·g_clip, between -2 and 2; learned_image_weight: what the model itself gives,
    whatever was asked for; mean of both streams.
    """

    ids: list[str]
    scores: list[float]
    image_weight_cnn: float
    image_weight_clip: float
    learned_image_weight: float

    @property
    def image_weight(self) -> float:
        """Mean of both streams."""
        return (self.image_weight_cnn + self.image_weight_clip) / 2


@dataclass(frozen=True, kw_only=True)
class ExplainedAnswer:
    """An answer with why it is so.

    explanation: judged by the first image found (its `judged` counts within the category searched); captions:
    the texts as they were read.
    """

    answer: Answer
    explanation: Explanation
    captions: tuple[str, ...]
