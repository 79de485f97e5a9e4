"""The model's part of a search: questions and pictures in, embeddings out. It knows no gallery."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from dwc.evaluation.encode import encode_words
from dwc.evaluation.explainer import Explainer
from dwc.model.bundle import load_bundle
from dwc.model.clip import FrozenClip
from dwc.model.combiner import Query, reweighed
from dwc.model.dwc import DWC
from dwc.model.inputs import normalise
from dwc.serving.package import read_about
from dwc.serving.questions import Answer, Question
from dwc.store.pictures import Pixels, square_picture
from dwc.store.texts import clean, sentence
from dwc.store.vocabulary import Vocabulary


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A question that has been checked and decoded."""

    question: Question
    pixels: Pixels
    captions: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Composed:
    """Queries of both streams, unit norm, and their image weights (0 to 1) as used and as the model gives."""

    cnn: Float[np.ndarray, "batch dim"]
    clip: Float[np.ndarray, "batch dim"]
    weights: Float[np.ndarray, "batch 2"]
    learned: Float[np.ndarray, "batch 2"]

    @property
    def both(self) -> Float[np.ndarray, "batch both"]:
        """Concatenated: the inner product with concatenated gallery embeddings is the sum of both scores."""
        return np.concatenate([self.cnn, self.clip], axis=1)

    def answer(self, row: int, ids: list[str], scores: list[float]) -> Answer:
        """What is answered to one of the questions, once its images are found."""
        return Answer(
            ids=ids,
            scores=scores,
            image_weight_cnn=float(self.weights[row, 0]),
            image_weight_clip=float(self.weights[row, 1]),
            learned_image_weight=float(self.learned[row].mean()),
        )


class Encoder:
    """A model with its CLIP and vocabulary. Reading only, so that threads may share it."""

    def __init__(self, *, model: DWC, clip: FrozenClip, vocabulary: Vocabulary) -> None:
        config = model.config
        check_size("clip/", clip.dim, config.clip_dim)
        check_size("vocabulary.json", len(vocabulary), config.words)
        self.model = model
        self.clip = clip
        self.vocabulary = vocabulary

    @classmethod
    def load(cls, folder: Path, device: torch.device | str = "cpu") -> Encoder:
        """Read a serving package's model. Raises ValueError naming what is missing or does not fit."""
        read_about(folder)
        return cls(
            model=load_bundle(folder / "model", device),
            clip=FrozenClip.load(folder / "clip", device),
            vocabulary=Vocabulary.load(folder / "model" / "vocabulary.json"),
        )

    @property
    def dim(self) -> int:
        """Size D of each stream's embeddings."""
        return self.model.config.dim

    @property
    def explainer(self) -> Explainer:
        """The same model, explaining a query."""
        return Explainer(model=self.model, clip=self.clip, vocabulary=self.vocabulary)

    def prepare(self, question: Question, *, max_megapixels: float = 100.0) -> Prepared:
        """Check a question and decode its picture.

        Raises ValueError where the picture cannot be decoded, the text is empty, or k or the weight is out of
        range. The category is not looked at: it is the gallery's matter.
        """
        captions = clean([question.text] if isinstance(question.text, str) else question.text)
        if not captions:
            raise ValueError("text is empty. Say how what you want differs from the picture.")
        if question.k < 1:
            raise ValueError(f"k = {question.k}: ask for at least one image.")
        if question.image_weight is not None and not 0.0 <= question.image_weight <= 1.0:
            raise ValueError(f"image_weight = {question.image_weight}: give a number from 0 to 1.")
        side = self.model.config.resolution
        pixels = square_picture(question.image, side, max_megapixels=max_megapixels)
        return Prepared(question=question, pixels=pixels, captions=captions)

    @torch.inference_mode()
    def compose(self, batch: Sequence[Prepared]) -> Composed:
        """Compose the queries of questions."""
        pixels = torch.from_numpy(np.stack([prepared.pixels for prepared in batch])).to(self.clip.device)
        captions = [prepared.captions for prepared in batch]
        asked = _asked_weights([prepared.question for prepared in batch], pixels.device)
        cnn, cnn_learned = self._cnn_queries(pixels, captions, asked)
        clip, clip_learned = self._clip_queries(pixels, captions, asked)
        return Composed(
            cnn=_array(cnn.embedding),
            clip=_array(clip.embedding),
            weights=_array(torch.stack([cnn.image_weight, clip.image_weight], dim=1)),
            learned=_array(torch.stack([cnn_learned, clip_learned], dim=1)),
        )

    @torch.inference_mode()
    def embed(self, pixels: UInt8[np.ndarray, "batch side side 3"]) -> Float[np.ndarray, "batch both"]:
        """Embed pictures as both streams' targets, concatenated."""
        images = torch.from_numpy(pixels).to(self.clip.device)
        cnn = self.model.cnn.target(normalise(images))
        clip = self.model.clip.target(self.clip.encode_images(images))
        return _array(torch.cat([cnn.float(), clip.float()], dim=1))

    def _cnn_queries(
        self,
        pixels: UInt8[Tensor, "batch side side 3"],
        captions: Sequence[Sequence[str]],
        asked: Float[Tensor, " batch"],
    ) -> tuple[Query, Float[Tensor, " batch"]]:
        stream = self.model.cnn
        words, mask = encode_words(self.vocabulary, captions)
        composed = stream.compose(
            stream.feature_map(normalise(pixels)), words.to(pixels.device), mask.to(pixels.device)
        )
        weighed = reweighed(composed.query, composed.image, composed.text, asked)
        return weighed, composed.query.image_weight

    def _clip_queries(
        self,
        pixels: UInt8[Tensor, "batch side side 3"],
        captions: Sequence[Sequence[str]],
        asked: Float[Tensor, " batch"],
    ) -> tuple[Query, Float[Tensor, " batch"]]:
        texts = self.clip.encode_texts([sentence(row) for row in captions])
        composed = self.model.clip.compose(self.clip.encode_images(pixels), texts)
        weighed = reweighed(composed.query, composed.image, composed.text, asked)
        return weighed, composed.query.image_weight


def check_size(part: str, size: int, expected: int) -> None:
    """Raise ValueError where a part of a serving package was made for another model."""
    if size != expected:
        raise ValueError(f"serving package: {part} has size {size}, the model was made for {expected}.")


def _asked_weights(questions: Sequence[Question], device: torch.device) -> Float[Tensor, " batch"]:
    """The image weights asked for; NaN where the model is to judge."""
    asked = [
        float("nan") if question.image_weight is None else question.image_weight for question in questions
    ]
    return torch.tensor(asked, device=device)


def _array(values: Tensor) -> np.ndarray:
    found: np.ndarray = values.float().cpu().numpy()
    return found
