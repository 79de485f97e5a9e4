"""A store through another model's eyes: the same pictures and queries, its words, CLIP and resolution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Int

from dwc.store.dataset import Embeddings, Store, padded
from dwc.store.pixels import AllPixels


class StoreView(Store):
    """Pictures of `store` under the same row numbers; everything that a model's own files decide is given.

    triplets: rows of the store's triplets, their `texts` being rows of `texts` here; words: each text's ids;
    pixels, clip_images: by the store's image rows; clip_texts: by text row. Nothing is mirrored.
    """

    def __init__(
        self,
        store: Store,
        *,
        triplets: pd.DataFrame,
        texts: Sequence[str],
        words: Sequence[Int[np.ndarray, " words"] | list[int]],
        pixels: AllPixels,
        clip_images: Embeddings,
        clip_texts: Embeddings,
    ) -> None:
        self.image_ids = store.image_ids
        self.pixels = pixels
        self.texts = list(texts)
        self.triplets = triplets
        self._words, self._lengths = padded(words)
        self.clip_images = clip_images
        self.clip_texts = clip_texts
