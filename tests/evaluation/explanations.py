"""An explanation with round numbers: two words and a lone dash, one row of two regions."""

from __future__ import annotations

import numpy as np

from dwc.evaluation.explanation import Effect, Explanation, RegionMap, Word


def region_map(*values: float) -> RegionMap:
    return np.array([values], dtype=np.float32)


def word(
    text: str, score: float, change: float, attended: RegionMap | None, looked_at: RegionMap | None
) -> Word:
    effect = Effect(score_cnn=score, score_clip=0.0, change_cnn=change, change_clip=0.0, rank=3)
    return Word(
        text=text,
        known=text != "<mauve>",
        tokens=0 if text == "–" else 1,
        effect=effect,
        attended=attended,
        looked_at=looked_at,
    )


def explanation(*, editors: bool = True) -> Explanation:
    """Region 1 attends to "red", region 2 to "<mauve>"; a tenth of all attention goes to the marks."""
    maps = [region_map(0.6, 0.2), region_map(0.75, 0.25), region_map(0.3, 0.7), region_map(0.5, 0.5)]
    if not editors:
        maps = [None] * 4  # type: ignore[list-item]
    return Explanation(
        words=(
            word("red", 0.3, 0.4, maps[0], maps[1]),
            word("<mauve>", -0.1, 0.1, maps[2], maps[3]),
            word("–", 0.0, 0.0, None, None),
        ),
        judged=4,
        rank=1,
        score_cnn=0.5,
        score_clip=0.25,
        image_weight_cnn=0.8,
        image_weight_clip=0.4,
        image_kept=0.5,
        text_kept=0.6,
        rewritten=region_map(0.2, 0.6) if editors else None,
    )
