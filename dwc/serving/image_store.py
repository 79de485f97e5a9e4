"""What a pipeline's image store knows of a gallery: its pictures, and something to ask."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

import numpy as np
from PIL import Image

from dwc.serving.service import Example
from dwc.store.dataset import Store

_TRAINING = "train"


class ImageStore:
    """The store in a folder; of a folder that is not there it knows nothing.

    Raises ValueError where the folder is there and holds no image store.
    """

    def __init__(self, folder: Path) -> None:
        self._store = Store(folder) if folder.exists() else None
        names = self._store.image_ids if self._store else []
        self._row_of = {name: row for row, name in enumerate(names)}

    def picture(self, image_id: str) -> Image.Image | None:
        """The picture of an image as the model read it."""
        row = self._row_of.get(image_id)
        if self._store is None or row is None:
            return None
        return Image.fromarray(np.asarray(self._store.pixels[row]))

    def example(self, known: Container[str]) -> Example | None:
        """A question about an image that is known: the first of the evaluation, else of training."""
        if self._store is None:
            return None
        triplets = self._store.triplets.sort_values(
            "split", key=lambda split: split == _TRAINING, kind="stable"
        )
        for reference, texts in zip(triplets["reference"], triplets["texts"], strict=True):
            if (name := self._store.image_ids[reference]) in known:
                return Example(image_id=name, text=self._store.texts[texts[0]])
        return None
