"""From a picture and a text to ranked ids: the same preprocessing and scores as in evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from dwc.evaluation.encode import encode_words
from dwc.evaluation.encoded import Streams
from dwc.evaluation.explainer import Explainer
from dwc.model.bundle import load_bundle
from dwc.model.clip import FrozenClip
from dwc.model.combiner import Query, unit
from dwc.model.dwc import DWC
from dwc.model.inputs import normalise
from dwc.serving.package import Gallery, load_gallery, read_about
from dwc.serving.questions import Answer, ExplainedAnswer, Question
from dwc.serving.ranking import best_positions, rows_by_category
from dwc.store.pictures import Pixels, square_picture
from dwc.store.texts import clean, sentence
from dwc.store.vocabulary import Vocabulary

BATCH_SIZE = 32


class _Prepared(NamedTuple):
    """A question that has been checked and decoded."""

    question: Question
    pixels: Pixels
    captions: tuple[str, ...]


class Retriever:
    """A model with its gallery. Reading only, so that threads may share it."""

    def __init__(
        self, *, model: DWC, clip: FrozenClip, vocabulary: Vocabulary, gallery: Gallery, dataset: str
    ) -> None:
        _check_sizes(model, clip, vocabulary, gallery)
        self.dataset = dataset
        self.ids = list(gallery.ids)
        self._model = model
        self._clip = clip
        self._vocabulary = vocabulary
        self._cnn_gallery = np.asarray(gallery.cnn)
        self._clip_gallery = np.asarray(gallery.clip)
        self._members = rows_by_category(gallery.categories)

    @classmethod
    def load(cls, folder: Path, device: torch.device | str = "cpu") -> Retriever:
        """Read a serving package. Raises ValueError naming what is missing or does not fit."""
        about = read_about(folder)
        return cls(
            model=load_bundle(folder / "model", device),
            clip=FrozenClip.load(folder / "clip", device),
            vocabulary=Vocabulary.load(folder / "model" / "vocabulary.json"),
            gallery=load_gallery(folder),
            dataset=str(about["dataset"]),
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
        self, image: bytes, text: str | Sequence[str], k: int = 10, category: str | None = None
    ) -> ExplainedAnswer:
        """Rank as `search` does, and explain the query by its first result. Raises the same errors."""
        prepared = self._prepare(Question(image=image, text=text, k=k, category=category))
        answer = self._answer([prepared])[0]
        rows = self._rows(category)
        explainer = Explainer(model=self._model, clip=self._clip, vocabulary=self._vocabulary)
        explanation = explainer.explain(
            prepared.pixels,
            prepared.captions,
            self._searched(category),
            judged=[self.ids[row] for row in rows].index(answer.ids[0]),
        )
        return ExplainedAnswer(answer=answer, explanation=explanation, captions=prepared.captions)

    def search_many(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer questions in batches. Raises ValueError naming the first row (from 0) that is wrong."""
        answers: list[Answer] = []
        for start in range(0, len(questions), BATCH_SIZE):
            batch = questions[start : start + BATCH_SIZE]
            answers += self._answer([self._prepare_row(row, q) for row, q in enumerate(batch, start)])
        return answers

    def _prepare_row(self, row: int, question: Question) -> _Prepared:
        try:
            return self._prepare(question)
        except ValueError as error:
            raise ValueError(f"row {row}: {error}") from error

    def _prepare(self, question: Question) -> _Prepared:
        captions = clean([question.text] if isinstance(question.text, str) else question.text)
        if not captions:
            raise ValueError("text is empty. Say how what you want differs from the picture.")
        if question.k < 1:
            raise ValueError(f"k = {question.k}: ask for at least one image.")
        if question.image_weight is not None and not 0.0 <= question.image_weight <= 1.0:
            raise ValueError(f"image_weight = {question.image_weight}: give a number from 0 to 1.")
        if question.category is not None and question.category not in self._members:
            known = ", ".join(self.categories) or "none"
            raise ValueError(f"category = {question.category}: not in this gallery. Known: {known}.")
        pixels = square_picture(question.image, self._model.config.resolution)
        return _Prepared(question, pixels, captions)

    @torch.inference_mode()
    def _answer(self, batch: Sequence[_Prepared]) -> list[Answer]:
        pixels = torch.from_numpy(np.stack([prepared.pixels for prepared in batch])).to(self._clip.device)
        captions = [prepared.captions for prepared in batch]
        weights = _asked_weights([prepared.question for prepared in batch], pixels.device)
        cnn = self._cnn_queries(pixels, captions, weights)
        clip = self._clip_queries(pixels, captions, weights)
        scores = _scores(cnn, self._cnn_gallery) + _scores(clip, self._clip_gallery)
        return [
            self._ranked(
                prepared.question, scores[row], float(cnn.image_weight[row]), float(clip.image_weight[row])
            )
            for row, prepared in enumerate(batch)
        ]

    def _cnn_queries(
        self,
        pixels: UInt8[Tensor, "batch side side 3"],
        captions: Sequence[Sequence[str]],
        weights: Float[Tensor, " batch"],
    ) -> Query:
        stream = self._model.cnn
        words, mask = encode_words(self._vocabulary, captions)
        composed = stream.compose(
            stream.feature_map(normalise(pixels)), words.to(pixels.device), mask.to(pixels.device)
        )
        return _weighted(composed.query, composed.image, composed.text, weights)

    def _clip_queries(
        self,
        pixels: UInt8[Tensor, "batch side side 3"],
        captions: Sequence[Sequence[str]],
        weights: Float[Tensor, " batch"],
    ) -> Query:
        texts = self._clip.encode_texts([sentence(row) for row in captions])
        composed = self._model.clip.compose(self._clip.encode_images(pixels), texts)
        return _weighted(composed.query, composed.image, composed.text, weights)

    def _ranked(
        self, question: Question, scores: Float[np.ndarray, " images"], cnn_weight: float, clip_weight: float
    ) -> Answer:
        rows = self._rows(question.category)
        best = rows[best_positions(scores[rows], question.k)]
        return Answer(
            ids=[self.ids[row] for row in best],
            scores=[float(scores[row]) for row in best],
            image_weight_cnn=cnn_weight,
            image_weight_clip=clip_weight,
        )

    def _rows(self, category: str | None) -> Int[np.ndarray, " images"]:
        """Gallery rows that a search looks through."""
        return self._members[category] if category else np.arange(len(self.ids))

    def _searched(self, category: str | None) -> Streams:
        """Both streams' embeddings of what a search looks through; the whole gallery is not copied."""
        rows = self._members[category] if category else slice(None)
        cnn, clip = self._cnn_gallery[rows], self._clip_gallery[rows]
        return Streams(cnn=torch.from_numpy(cnn), clip=torch.from_numpy(clip))


def _check_sizes(model: DWC, clip: FrozenClip, vocabulary: Vocabulary, gallery: Gallery) -> None:
    config = model.config
    sizes = {
        "cnn.npy": (gallery.cnn.shape[1], config.dim),
        "clip.npy": (gallery.clip.shape[1], config.dim),
        "clip/": (clip.dim, config.clip_dim),
        "vocabulary.json": (len(vocabulary), config.words),
    }
    for part, (size, expected) in sizes.items():
        if size != expected:
            raise ValueError(f"serving package: {part} has size {size}, the model was made for {expected}.")


def _asked_weights(questions: Sequence[Question], device: torch.device) -> Float[Tensor, " batch"]:
    """The image weights asked for; NaN where the model is to judge."""
    asked = [
        float("nan") if question.image_weight is None else question.image_weight for question in questions
    ]
    return torch.tensor(asked, device=device)


def _weighted(
    query: Query,
    image: Float[Tensor, "batch dim"],
    text: Float[Tensor, "batch dim"],
    weights: Float[Tensor, " batch"],
) -> Query:
    """Recompose edited image and text where an image weight was asked for."""
    asked = ~weights.isnan()
    share = torch.where(asked, weights, query.image_weight).unsqueeze(1)
    recomposed = unit(share * image + (1.0 - share) * text)
    return Query(torch.where(asked.unsqueeze(1), recomposed, query.embedding), share.squeeze(1))


def _scores(query: Query, gallery: Float[np.ndarray, "images dim"]) -> Float[np.ndarray, "batch images"]:
    scores: np.ndarray = query.embedding.float().cpu().numpy() @ gallery.T
    return scores
