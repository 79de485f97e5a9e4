"""An explanation as it goes over HTTP."""

from __future__ import annotations

from dwc.evaluation.explanation import RegionMap, Word
from dwc.serving.schemas import ExplainAnswer, ExplainedWord
from dwc.serving.service import Explained


def explain_answer(found: Explained) -> ExplainAnswer:
    """Plain values of an explanation, maps as rows from the top."""
    explanation = found.explanation
    rewritten = explanation.rewritten
    return ExplainAnswer(
        image_weight_cnn=explanation.image_weight_cnn,
        image_weight_clip=explanation.image_weight_clip,
        judged=found.judged,
        rank=explanation.rank,
        grid=None if rewritten is None else (rewritten.shape[0], rewritten.shape[1]),
        words=[_word(word) for word in explanation.words],
        rewritten=_rows(rewritten),
    )


def _word(word: Word) -> ExplainedWord:
    return ExplainedWord(
        text=word.text,
        known=word.known,
        score=word.effect.score,
        score_cnn=word.effect.score_cnn,
        score_clip=word.effect.score_clip,
        change=word.effect.change,
        attended=_rows(word.attended),
        looked_at=_rows(word.looked_at),
    )


def _rows(values: RegionMap | None) -> list[list[float]] | None:
    return None if values is None else [[float(value) for value in row] for row in values]
