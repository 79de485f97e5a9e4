"""The pixel store: every image decoded once, into one memory-mapped array."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from dwc.decoding import own_size_limit
from dwc.parallel import bounded_map
from dwc.store.pictures import Pixels, open_picture, square

AllPixels = UInt8[np.ndarray, "images side side 3"]


def build_pixels(
    paths: Sequence[Path],
    file: Path,
    side: int,
    *,
    max_megapixels: float = 100.0,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Decode `paths` in order into a .npy file of shape [images, side, side, 3], dtype uint8.

    Memory does not grow with the number of images. Raises ValueError naming the file that cannot be decoded.
    Threads suffice: Pillow decodes and resizes without holding the interpreter lock.
    """
    pixels = np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=(len(paths), side, side, 3))
    decode = partial(_decode, side=side, max_megapixels=max_megapixels)
    with own_size_limit(), ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        for row, picture in enumerate(bounded_map(pool, decode, paths, window=64)):
            pixels[row] = picture
            if progress:
                progress(row + 1, len(paths))
    pixels.flush()


def _decode(path: Path, *, side: int, max_megapixels: float) -> Pixels:
    return square(open_picture(path, max_megapixels=max_megapixels), side)


def open_pixels(file: Path) -> AllPixels:
    """Memory-map a file that `build_pixels` wrote."""
    pixels: AllPixels = np.load(file, mmap_mode="r", allow_pickle=False)
    return pixels
