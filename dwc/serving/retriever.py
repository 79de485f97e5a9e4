"""From a picture and a text to ranked ids: the same preprocessing and scores as in evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int

from dwc.evaluation.encoded import Streams
from dwc.serving.encoder import Composed, Encoder, Prepared, check_size
from dwc.serving.package import Gallery, load_gallery, read_about
from dwc.serving.questions import Answer, ExplainedAnswer, Question
from dwc.serving.ranking import best_positions, rows_by_category

BATCH_SIZE = 32


class Retriever:
    """A model with its gallery. Reading only, so that threads may share it."""

    def __init__(self, *, encoder: Encoder, gallery: Gallery, dataset: str) -> None:
        check_size("cnn.npy", gallery.cnn.shape[1], encoder.dim)
        check_size("clip.npy", gallery.clip.shape[1], encoder.dim)
        self.dataset = dataset
        self.encoder = encoder
        self.ids = list(gallery.ids)
        self._cnn_gallery = np.asarray(gallery.cnn)
        self._clip_gallery = np.asarray(gallery.clip)
        self._members = rows_by_category(gallery.categories)

    @classmethod
    def load(cls, folder: Path, device: torch.device | str = "cpu") -> Retriever:
        """Read a serving package. Raises ValueError naming what is missing or does not fit."""
        about = read_about(folder)
        return cls(
            encoder=Encoder.load(folder, device), gallery=load_gallery(folder), dataset=str(about["dataset"])
        )

    @property
    def categories(self) -> list[str]:
        """Categories that a search can be kept to."""
        return sorted(self._members)

    def search(
        self,
        image: bytes,
        text: str | Sequence[str],
        k: int = 10,
        image_weight: float | None = None,
        category: str | None = None,
    ) -> Answer:
        """Rank the gallery for one question; arguments as in `Question`.

        Fewer than k images are found where the gallery, or the category, has fewer. Raises ValueError where
        the picture cannot be decoded, the text is empty, or another argument is out of range.
        """
        question = Question(image=image, text=text, k=k, image_weight=image_weight, category=category)
        return self._answer([self._prepare(question)])[0]

    def explain(
        self,
        image: bytes,
        text: str | Sequence[str],
        k: int = 10,
        image_weight: float | None = None,
        category: str | None = None,
    ) -> ExplainedAnswer:
        """Rank as `search` does, and explain the query by its first result. Raises the same errors."""
        prepared = self._prepare(
            Question(image=image, text=text, k=k, image_weight=image_weight, category=category)
        )
        answer = self._answer([prepared])[0]
        rows = self._rows(category)
        explanation = self.encoder.explainer.explain(
            prepared.pixels,
            prepared.captions,
            self._searched(category),
            judged=[self.ids[row] for row in rows].index(answer.ids[0]),
            image_weight=image_weight,
        )
        return ExplainedAnswer(answer=answer, explanation=explanation, captions=prepared.captions)

    def search_many(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer questions in batches. Raises ValueError naming the first row (from 0) that is wrong."""
        answers: list[Answer] = []
        for start in range(0, len(questions), BATCH_SIZE):
            batch = questions[start : start + BATCH_SIZE]
            answers += self._answer([self._prepare_row(row, q) for row, q in enumerate(batch, start)])
        return answers

    def _prepare_row(self, row: int, question: Question) -> Prepared:
        try:
            return self._prepare(question)
        except ValueError as error:
            raise ValueError(f"row {row}: {error}") from error

    def _prepare(self, question: Question) -> Prepared:
        if question.category is not None and question.category not in self._members:
            known = ", ".join(self.categories) or "none"
            raise ValueError(f"category = {question.category}: not in this gallery. Known: {known}.")
        return self.encoder.prepare(question)

    def _answer(self, batch: Sequence[Prepared]) -> list[Answer]:
        composed = self.encoder.compose(batch)
        scores = composed.cnn @ self._cnn_gallery.T + composed.clip @ self._clip_gallery.T
        return [
            self._ranked(prepared.question, scores[row], composed, row) for row, prepared in enumerate(batch)
        ]

    def _ranked(
        self, question: Question, scores: Float[np.ndarray, " images"], composed: Composed, row: int
    ) -> Answer:
        rows = self._rows(question.category)
        best = rows[best_positions(scores[rows], question.k)]
        ids = [self.ids[position] for position in best]
        return composed.answer(row, ids, [float(scores[position]) for position in best])

    def _rows(self, category: str | None) -> Int[np.ndarray, " images"]:
        """Gallery rows that a search looks through."""
        return self._members[category] if category else np.arange(len(self.ids))

    def _searched(self, category: str | None) -> Streams:
        """Both streams' embeddings of what a search looks through; the whole gallery is not copied."""
        rows = self._members[category] if category else slice(None)
        cnn, clip = self._cnn_gallery[rows], self._clip_gallery[rows]
        return Streams(cnn=torch.from_numpy(cnn), clip=torch.from_numpy(clip))
