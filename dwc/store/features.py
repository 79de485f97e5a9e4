"""The feature store: the frozen CLIP's embeddings of every image, its mirror image and every text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dwc.store.pixels import AllPixels

Progress = Callable[[int, int], None]


def build_features(
    folder: Path,
    pixels: AllPixels,
    texts: Sequence[str],
    *,
    encode_images: Callable[[Tensor], Float[Tensor, "batch clip_dim"]],
    encode_texts: Callable[[Sequence[str]], Float[Tensor, "batch clip_dim"]],
    batch_size: int,
    progress: Progress | None = None,
) -> None:
    """Write images.npy, mirrored.npy [images, E] and texts.npy [texts, E], float32, into an existing folder.

    Memory does not grow with the number of images or texts.
    """
    total = len(pixels) + len(texts)
    images: np.ndarray | None = None
    for start in range(0, len(pixels), batch_size):
        batch = torch.from_numpy(np.array(pixels[start : start + batch_size]))
        embedded = encode_images(batch).cpu().numpy()
        mirror = encode_images(batch.flip(2)).cpu().numpy()
        if images is None:
            images = _create(folder / "images.npy", len(pixels), embedded.shape[1])
            mirrored = _create(folder / "mirrored.npy", len(pixels), embedded.shape[1])
        images[start : start + len(batch)] = embedded
        mirrored[start : start + len(batch)] = mirror
        _report(progress, start + len(batch), total)
    rows: np.ndarray | None = None
    for start in range(0, len(texts), batch_size):
        embedded = encode_texts(texts[start : start + batch_size]).cpu().numpy()
        if rows is None:
            rows = _create(folder / "texts.npy", len(texts), embedded.shape[1])
        rows[start : start + len(embedded)] = embedded
        _report(progress, len(pixels) + start + len(embedded), total)


def _create(file: Path, rows: int, dim: int) -> np.ndarray:
    return np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=(rows, dim))


def _report(progress: Progress | None, done: int, total: int) -> None:
    if progress:
        progress(done, total)
