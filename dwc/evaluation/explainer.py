"""Explaining a query: what the networks attend to, and what becomes of it without each of its words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from dwc.evaluation.encode import encode_words
from dwc.evaluation.encoded import Streams
from dwc.evaluation.explanation import (
    Effect,
    ExplainedQuery,
    Explanation,
    Occurrences,
    RegionMap,
    Word,
    distinct_words,
    token_places,
    without,
)
from dwc.evaluation.protocols import SearchTask, positions_in
from dwc.evaluation.systems import galleries
from dwc.model.attention import CrossAttention
from dwc.model.bundle import load_bundle
from dwc.model.clip import FrozenClip
from dwc.model.clip_stream import ClipEditedQuery
from dwc.model.cnn_stream import CnnStream, EditedQuery
from dwc.model.combiner import reweighed
from dwc.model.dwc import DWC
from dwc.model.inputs import normalise
from dwc.store.dataset import Store
from dwc.store.pictures import Pixels
from dwc.store.texts import sentence
from dwc.store.vocabulary import UNKNOWN, Vocabulary

Captions = Sequence[str]

_BATCH_SIZE = 32  # texts composed with the picture at a time


class _Composed(NamedTuple):
    """The picture composed with one text or several, in both streams."""

    cnn: EditedQuery
    clip: ClipEditedQuery


class _Reference(NamedTuple):
    """What both streams see in the picture, computed once for all texts."""

    feature_map: Float[Tensor, "1 channels rows columns"]
    clip: Float[Tensor, "1 clip_dim"]


@dataclass(frozen=True, kw_only=True)
class Explainer:
    """A model with what it reads texts with. It changes nothing, so that threads may share it."""

    model: DWC
    clip: FrozenClip
    vocabulary: Vocabulary

    @classmethod
    def load(cls, model_folder: Path, clip_folder: Path, device: torch.device | str = "cpu") -> Explainer:
        """Read what the train and embed stages made. Raises ValueError naming what is missing."""
        return cls(
            model=load_bundle(model_folder, device),
            clip=FrozenClip.load(clip_folder, device),
            vocabulary=Vocabulary.load(model_folder / "vocabulary.json"),
        )

    @torch.inference_mode()
    def explain(
        self,
        pixels: Pixels,
        captions: Captions,
        gallery: Streams,
        *,
        judged: int | None = None,
        masked: int = -1,
        image_weight: float | None = None,
    ) -> Explanation:
        """Explain the query of a picture and clean captions.

        pixels: the reference picture at the model's resolution; gallery: what is searched, on the CPU;
        judged: gallery position whose score the words' effects are told of, None = the best image's; masked:
        gallery position left out of the search, -1 = none; image_weight: 0 (only the text counts) to 1 (only
        the picture) in both streams, with all words and without each of them, None = as the model judges.
        """
        words = distinct_words(captions)
        reference = self._see(pixels)
        asked = float("nan") if image_weight is None else image_weight
        whole = self._compose(reference, [captions], asked)
        embeddings = self._embeddings(reference, [without(captions, word) for word in words], asked)
        queries = Streams(
            cnn=torch.cat([whole.cnn.query.embedding.float().cpu(), embeddings.cnn]),
            clip=torch.cat([whole.clip.query.embedding.float().cpu(), embeddings.clip]),
        )
        judged, effects, rank, scores = _effects(queries, gallery, judged, masked)
        return Explanation(
            words=self._words(captions, words, effects, whole.cnn.attention, reference.feature_map),
            judged=judged,
            rank=rank,
            score_cnn=scores[0],
            score_clip=scores[1],
            image_weight_cnn=float(whole.cnn.query.image_weight[0]),
            image_weight_clip=float(whole.clip.query.image_weight[0]),
            # Image and text are of length 1 before the gates, so this is how much the gates let through.
            image_kept=float(whole.clip.image.float().norm()),
            text_kept=float(whole.clip.text.float().norm()),
            rewritten=_rewritten(self.model.cnn, reference.feature_map, whole.cnn.attention),
        )

    def _see(self, pixels: Pixels) -> _Reference:
        picture = torch.from_numpy(np.array(pixels))[None].to(self.clip.device)
        return _Reference(self.model.cnn.feature_map(normalise(picture)), self.clip.encode_images(picture))

    def _compose(self, reference: _Reference, texts: Sequence[Captions], asked: float) -> _Composed:
        """asked: the image weight, NaN = as the model judges."""
        words, mask = encode_words(self.vocabulary, texts)
        device, count = self.clip.device, len(texts)
        feature_map = reference.feature_map.expand(count, -1, -1, -1)
        clip_texts = self.clip.encode_texts([sentence(captions) for captions in texts])
        cnn = self.model.cnn.compose(feature_map, words.to(device), mask.to(device))
        clip = self.model.clip.compose(reference.clip.expand(count, -1), clip_texts)
        weights = torch.full((count,), asked, device=device)
        return _Composed(
            cnn._replace(query=reweighed(cnn.query, cnn.image, cnn.text, weights)),
            clip._replace(query=reweighed(clip.query, clip.image, clip.text, weights)),
        )

    def _embeddings(self, reference: _Reference, texts: Sequence[Captions], asked: float) -> Streams:
        """Query embeddings with each of the texts, on the CPU."""
        dim = self.model.config.dim
        cnn, clip = [torch.empty(0, dim)], [torch.empty(0, dim)]
        for start in range(0, len(texts), _BATCH_SIZE):
            composed = self._compose(reference, texts[start : start + _BATCH_SIZE], asked)
            cnn.append(composed.cnn.query.embedding.float().cpu())
            clip.append(composed.clip.query.embedding.float().cpu())
        return Streams(cnn=torch.cat(cnn), clip=torch.cat(clip))

    def _words(
        self,
        captions: Captions,
        words: Sequence[Occurrences],
        effects: Sequence[Effect],
        attention: CrossAttention | None,
        feature_map: Float[Tensor, "1 channels rows columns"],
    ) -> tuple[Word, ...]:
        ids = self.vocabulary.encode(captions)
        unknown = self.vocabulary.words.index(UNKNOWN)
        found = []
        for word, effect in zip(words, effects, strict=True):
            places = token_places(captions, word)
            attended, looked_at = _attention_of(attention, places, feature_map.shape[2:])
            found.append(
                Word(
                    text=word.text,
                    known=all(ids[place] != unknown for place in places),
                    tokens=len(places),
                    effect=effect,
                    attended=attended,
                    looked_at=looked_at,
                )
            )
        return tuple(found)


def _attention_of(
    attention: CrossAttention | None, places: Sequence[int], shape: Sequence[int]
) -> tuple[RegionMap | None, RegionMap | None]:
    """A word's two maps: what regions give it (summed over its tokens), and where it looks (mean)."""
    if attention is None or not places:
        return None, None
    rows = list(places)
    attended = attention.word_attention[0, rows].sum(dim=0)
    looked_at = attention.spatial_attention[0, rows].mean(dim=0)
    return _as_map(attended, shape), _as_map(looked_at, shape)


def _rewritten(
    stream: CnnStream, feature_map: Float[Tensor, "1 channels rows columns"], attention: CrossAttention | None
) -> RegionMap | None:
    """Share of the addition, ReLU(Inception(T2I)), in the edited feature map F', by length of vectors."""
    if attention is None:
        return None
    grid = feature_map.shape[2:]
    visual = F.relu(stream.visual([feature_map], grid))
    added = F.relu(stream.image_editor.addition([attention.seen_text], grid))
    kept = stream.image_editor(feature_map, visual, attention.seen_text) - added
    added, kept = added.float().norm(dim=1), kept.float().norm(dim=1)
    return _as_map(added / (added + kept).clamp(min=1e-12), feature_map.shape[2:])


def _as_map(values: Tensor, shape: Sequence[int]) -> RegionMap:
    found: np.ndarray = values.float().reshape(*shape).cpu().numpy()
    return found


def _effects(
    queries: Streams, gallery: Streams, judged: int | None, masked: int
) -> tuple[int, list[Effect], int, tuple[float, float]]:
    """The judged position, each word's effect, the judged image's rank and its two scores.

    queries: the whole query, and below it the query without each word.
    """
    cnn, clip = queries.cnn @ gallery.cnn.T, queries.clip @ gallery.clip.T
    fused = cnn + clip
    if masked >= 0:
        fused[:, masked] = -torch.inf
    judged = int(fused[0].argmax()) if judged is None else judged
    ranks = (1 + (fused > fused[:, judged, None]).sum(dim=1)).tolist()
    lost = [(part[0, judged] - part[1:, judged]).tolist() for part in (cnn, clip)]
    changed = [(1.0 - part[1:] @ part[0]).clamp(min=0.0).tolist() for part in (queries.cnn, queries.clip)]
    effects = [
        Effect(score_cnn=a, score_clip=b, change_cnn=c, change_clip=d, rank=rank)
        for a, b, c, d, rank in zip(*lost, *changed, ranks[1:], strict=True)
    ]
    return judged, effects, ranks[0], (float(cnn[0, judged]), float(clip[0, judged]))


def explain_triplets(
    explainer: Explainer,
    store: Store,
    tasks: Sequence[SearchTask],
    streams: Streams,
    captions: Mapping[str, Captions],
    triplet_ids: Sequence[str],
) -> dict[str, ExplainedQuery]:
    """Explain queries of an evaluation by what their words do for the target.

    It is the best image instead where the target is not searched. streams: embeddings of the store rows
    `all_gallery_rows(tasks)`; captions: triplet_id -> clean captions, of all queries that are asked for.
    """
    found = {}
    for task, gallery in galleries(tasks, streams):
        targets = positions_in(task.gallery, task.triplets["target"].to_numpy(np.int64))
        rows = zip(task.triplets["triplet_id"], task.triplets["reference"], targets, task.masked, strict=True)
        for name, reference, target, masked in rows:
            if name in triplet_ids:
                searched = target >= 0 and target != masked
                explanation = explainer.explain(
                    np.asarray(store.pixels[reference]),
                    captions[name],
                    gallery,
                    judged=int(target) if searched else None,
                    masked=int(masked),
                )
                found[name] = ExplainedQuery(
                    explanation=explanation, judged="the target" if searched else "the first result"
                )
    return {name: found[name] for name in triplet_ids}
