"""The search service: questions answered, images added and removed, models replaced, whatever the protocol.

Two threads compute. One answers searches, batch by batch; the other (`changes`) does what changes the gallery
or looks at the whole of it, one thing after the other, so that no two changes can meet.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from dwc.evaluation.explanation import Explanation
from dwc.serving.encoder import Composed, Prepared
from dwc.serving.fill import kept_square
from dwc.serving.gallery_folder import GalleryFolder
from dwc.serving.gallery_store import StoredImage, Vector
from dwc.serving.kept_pictures import kept_file
from dwc.serving.live import Live
from dwc.serving.live_gallery import Chunk
from dwc.serving.questions import Answer, Question

MAX_MEGAPIXELS = 50.0
"""Of an uploaded picture: twice what cameras of telephones usually deliver; it takes 150 MB while decoded."""

_LOGGER = logging.getLogger(__name__)


class NotFoundError(LookupError):
    """An image or a category that the gallery does not have."""


class ExistsError(ValueError):
    """An image of this id is in the gallery already."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A question on its way, bound to the model that it was prepared for: an exchange does not concern it."""

    live: Live
    prepared: Prepared


@dataclass(frozen=True, kw_only=True)
class Example:
    """A question to begin with: an image of the gallery, and what may be asked of it."""

    image_id: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Explained:
    """Why an image is found: judged = its id, explanation as in `dwc.evaluation.explanation`."""

    judged: str
    explanation: Explanation


class Service:
    """Answers with what is live. Methods say in which thread they belong."""

    def __init__(self, folder: GalleryFolder, live: Live, example: Example | None = None) -> None:
        self.live = live
        self._folder = folder
        self._example = example
        self.decoders = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="decode")
        self.changes = ThreadPoolExecutor(1, thread_name_prefix="changes")

    def close(self) -> None:
        """End what is begun, and begin nothing any more."""
        self.decoders.shutdown(cancel_futures=True)
        self.changes.shutdown(cancel_futures=True)

    @property
    def example(self) -> Example | None:
        """A question to begin with, as long as its image is there."""
        example = self._example
        return example if example and example.image_id in self.live.gallery else None

    def picture(self, image_id: str) -> bytes | None:
        """A kept picture, None where there is none. In any thread."""
        return self._folder.pictures.read(image_id) if image_id in self.live.gallery else None

    def prepare(self, question: Question) -> Asked:
        """Check and decode a question. In any thread.

        Raises ValueError for what cannot be read, NotFoundError for an unknown category.
        """
        live = self.live
        if question.category is not None and question.category not in live.gallery.categories:
            known = ", ".join(live.gallery.categories) or "none"
            raise NotFoundError(f"category = {question.category}: not in this gallery. Known: {known}.")
        return Asked(live=live, prepared=live.encoder.prepare(question, max_megapixels=MAX_MEGAPIXELS))

    def reference(self, image_id: str) -> bytes:
        """The picture of an image that is searched with. Raises NotFoundError where it has none."""
        content = self.picture(image_id)
        if content is None:
            raise NotFoundError(f"image_id = {image_id}: the gallery has no picture of it. Upload one.")
        return content

    def answer(self, batch: Sequence[Asked]) -> list[Answer]:
        """Answer questions together, those for another model apart. In the thread of searches."""
        answers: dict[int, Answer] = {}
        for live in {id(asked.live): asked.live for asked in batch}.values():
            places = [place for place, asked in enumerate(batch) if asked.live is live]
            found = _answers(live, [batch[place].prepared for place in places])
            answers.update(zip(places, found, strict=True))
        return [answers[place] for place in range(len(batch))]

    def explain(self, asked: Asked) -> Explained:
        """Explain a question, with the image weight it asks for, by its first result.

        In the thread of changes. Raises NotFoundError where nothing is found.
        """
        live, prepared = asked.live, asked.prepared
        answer = _answers(live, [prepared])[0]
        if not answer.ids:
            raise NotFoundError("Nothing is found, so there is nothing to explain. Add images first.")
        ids, streams = live.gallery.streams(prepared.question.category)
        explanation = live.encoder.explainer.explain(
            prepared.pixels,
            prepared.captions,
            streams,
            judged=ids.index(answer.ids[0]),
            image_weight=prepared.question.image_weight,
        )
        return Explained(judged=answer.ids[0], explanation=explanation)

    def decode(self, file: bytes) -> bytes:
        """An uploaded picture in the form in which it is kept. In any thread. Raises ValueError."""
        return kept_file(file, max_megapixels=MAX_MEGAPIXELS)

    def add(self, image_id: str, categories: Sequence[str], kept: bytes) -> None:
        """Keep a picture and let it be found; when this returns it is on the disk. In the thread of changes.

        Raises ExistsError where the id is taken.
        """
        store = self._folder.store
        if image_id in store:
            raise ExistsError(
                f"id = {image_id}: is in the gallery already. Delete it first, or choose another."
            )
        self._folder.pictures.write(image_id, kept)
        live = self.live
        vector = self._embedded(live, image_id)
        assert vector is not None, "a picture that was just written can be read"
        image = StoredImage(id=image_id, categories=categories, has_picture=True, vector=vector)
        store.add([image], live.model)
        live.gallery.add(Chunk([image_id], [tuple(categories)], vector[None]))

    def remove(self, image_id: str) -> None:
        """Delete an image for good. In the thread of changes. Raises NotFoundError where there is none."""
        if not self._folder.store.remove(image_id):
            raise NotFoundError(f"id = {image_id}: not in this gallery.")
        self._folder.pictures.remove(image_id)
        if image_id in self.live.gallery:
            self.live.gallery.remove(image_id)

    def exchange(self, live: Live) -> None:
        """Let another model answer from now on, knowing every image. In the thread of changes.

        What was prepared for the model before is still answered by it.
        """
        self._catch_up(live)
        self.live = live
        version = live.served.version
        _LOGGER.info(
            "%s version %s answers now, %d images, index %s, recall@10 %.3f",
            version.name,
            version.version,
            len(live.gallery),
            live.gallery.kind,
            live.gallery.recall_at_10,
        )

    def _catch_up(self, live: Live) -> None:
        """Bring a gallery up to what was added and removed while it was built."""
        store, known = self._folder.store, set(live.gallery.ids())
        now = store.ids()
        for gone in known.difference(now):
            live.gallery.remove(gone)
        for image_id in (name for name in now if name not in known):
            image = store.image(image_id, live.model)
            vector = image.vector
            if vector is None and image.has_picture:
                vector = self._embedded(live, image_id)
            if vector is not None:
                live.gallery.add(Chunk([image_id], [tuple(image.categories)], vector[None]))

    def _embedded(self, live: Live, image_id: str) -> Vector | None:
        """A kept picture as a model sees it; None where the file was damaged."""
        pixels = kept_square(self._folder, image_id, live.encoder.model.config.resolution)
        return None if pixels is None else live.encoder.embed(np.stack([pixels]))[0]


def _answers(live: Live, batch: Sequence[Prepared]) -> list[Answer]:
    """Compose the queries of a batch together, and search the gallery once for each category."""
    composed = live.encoder.compose(batch)
    queries = composed.both
    found: dict[int, list[tuple[str, float]]] = {}
    for category in {prepared.question.category for prepared in batch}:
        rows = [row for row, prepared in enumerate(batch) if prepared.question.category == category]
        k = max(batch[row].question.k for row in rows)
        found.update(zip(rows, live.gallery.search(queries[rows], k, category), strict=True))
    return [_cut(composed, row, found[row][: prepared.question.k]) for row, prepared in enumerate(batch)]


def _cut(composed: Composed, row: int, found: Sequence[tuple[str, float]]) -> Answer:
    return composed.answer(row, [image_id for image_id, _ in found], [score for _, score in found])
