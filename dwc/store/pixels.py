"""The pixel store: every image decoded once, into one memory-mapped array."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from dwc.decoding import own_size_limit
from dwc.parallel import bounded_map
from dwc.store.pictures import Pixels, square_picture
from dwc.store.rows import KEY_BYTES, KnownRows, RowWriter

AllPixels = UInt8[np.ndarray, "images side side 3"]

PIXELS = "pixels.npy"  # in the store's folder
_VERSION = 1  # of how a file becomes pixels; another one makes every store anew


def build_pixels(
    paths: Sequence[Path],
    file: Path,
    side: int,
    *,
    max_megapixels: float = 100.0,
    workers: int | None = None,
    earlier: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Decode `paths` in order into a .npy file of shape [images, side, side, 3], dtype uint8.

    What is there already is not decoded again: rows that an interrupted call left in `file`, and rows of the
    array `earlier` that were made of the same file content, wherever they stand. Returns how many images
    were decoded. Memory does not grow with the number of images. Raises ValueError naming the file that
    cannot be decoded. Threads suffice: Pillow decodes and resizes without holding the interpreter lock.
    """
    shape = (side, side, 3)
    known = KnownRows(earlier, shape, np.uint8) if earlier else None
    decoded = 0
    with RowWriter(file, (len(paths), *shape), np.uint8) as writer:
        kept = writer.kept

        def work(item: tuple[int, Path]) -> tuple[bytes, Pixels | None]:
            row, path = item
            key = _key(path, side)
            if (row < len(kept) and kept[row] == key) or (known is not None and key in known):
                return key, None
            return key, square_picture(path, side, max_megapixels=max_megapixels)

        for row, (key, pixels) in enumerate(_in_parallel(work, paths, workers)):
            if row >= len(kept) or kept[row] != key:
                decoded += pixels is not None
                writer.write(row, _pixels(key, pixels, known)[None], [key])
            if progress:
                progress(row + 1, len(paths))
    return decoded


def _in_parallel(
    work: Callable[[tuple[int, Path]], tuple[bytes, Pixels | None]],
    paths: Sequence[Path],
    workers: int | None,
) -> Iterator[tuple[bytes, Pixels | None]]:
    with own_size_limit(), ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        yield from bounded_map(pool, work, enumerate(paths), window=64)


def _pixels(key: bytes, pixels: Pixels | None, known: KnownRows | None) -> Pixels:
    if pixels is not None:
        return pixels
    assert known is not None
    return known[key]


def _key(path: Path, side: int) -> bytes:
    """What decides an image's pixels: the content of its file, the side, and the way of decoding."""
    person = f"pixels {_VERSION} {side}".encode()
    try:
        with path.open("rb") as handle:
            new = hashlib.blake2b(digest_size=KEY_BYTES, person=person)
            return hashlib.file_digest(handle, lambda: new).digest()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error}). Replace or remove it.") from error


def open_pixels(file: Path) -> AllPixels:
    """Memory-map a file that `build_pixels` wrote."""
    pixels: AllPixels = np.load(file, mmap_mode="r", allow_pickle=False)
    return pixels
