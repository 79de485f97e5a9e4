"""Reading what the preprocess and embed stages made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float32, Int
from torch import Tensor

from dwc.store.features import IMAGES, MIRRORED, TEXTS
from dwc.store.pixels import PIXELS, AllPixels, open_pixels

Embeddings = Float32[np.ndarray, "rows clip_dim"]


class Store:
    """Pixels, texts and triplets by row number, and with a features folder the CLIP's embeddings.

    image_ids: names of the image rows; pixels: memory-mapped [images, side, side, 3];
    texts: sentence of each text row; triplets: triplet_id, category, split, reference row, target row and
    label number of the target (-1 unknown), and `texts` (rows; the first is the one evaluation uses).
    """

    def __init__(self, folder: Path, features: Path | None = None) -> None:
        if not (folder / "triplets.parquet").is_file():
            raise ValueError(f"{folder} holds no image store. Run the preprocess stage first.")
        self.image_ids: list[str] = json.loads((folder / "images.json").read_text(encoding="utf-8"))
        self.pixels: AllPixels = open_pixels(folder / PIXELS)
        texts = pd.read_parquet(folder / "texts.parquet")
        self.texts: list[str] = texts["text"].tolist()
        self.triplets = pd.read_parquet(folder / "triplets.parquet")
        self._words, self._lengths = padded(texts["words"].tolist())
        if features is not None:
            self.clip_images = _open_embeddings(features / IMAGES)
            self.clip_mirrored = _open_embeddings(features / MIRRORED)
            self.clip_texts = _open_embeddings(features / TEXTS)

    @property
    def side(self) -> int:
        """Side of the stored images, pixels."""
        return int(self.pixels.shape[1])

    def rows(self, image_ids: Sequence[str]) -> Int[np.ndarray, " images"]:
        """Image rows of the given ids."""
        row = {name: number for number, name in enumerate(self.image_ids)}
        return np.array([row[name] for name in image_ids], dtype=np.int64)

    def images(self, rows: Int[np.ndarray, " batch"]) -> Tensor:
        """Pixels of image rows, uint8 [batch, side, side, 3]."""
        return torch.from_numpy(self.pixels[rows])

    def words(
        self, text_rows: Int[np.ndarray, " batch"]
    ) -> tuple[Int[Tensor, "batch words"], Bool[Tensor, "batch words"]]:
        """Word ids of text rows, padded to the longest of them, and True where a word stands."""
        lengths = self._lengths[text_rows]
        longest = int(lengths.max())
        mask = torch.arange(longest)[None, :] < torch.from_numpy(lengths)[:, None]
        return torch.from_numpy(self._words[text_rows, :longest]), mask


def padded(
    words: Sequence[Int[np.ndarray, " _"] | list[int]],
) -> tuple[Int[np.ndarray, "texts words"], Int[np.ndarray, " texts"]]:
    """Word ids of all texts as rows of one array, zeros after their ends, and each text's length."""
    lengths = np.array([len(row) for row in words], dtype=np.int64)
    padded = np.zeros((len(words), int(lengths.max(initial=1))), dtype=np.int64)
    for number, row in enumerate(words):
        padded[number, : len(row)] = row
    return padded, lengths


def _open_embeddings(file: Path) -> Embeddings:
    if not file.is_file():
        raise ValueError(f"{file}: no such file. Run the embed stage first.")
    embeddings: Embeddings = np.load(file, mmap_mode="r", allow_pickle=False)
    return embeddings
