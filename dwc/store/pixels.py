"""The pixel store: every image decoded once, into one memory-mapped array."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from dwc.decoding import own_size_limit
from dwc.parallel import Spread, bounded_map
from dwc.store.pictures import Pixels, square_picture
from dwc.store.rows import KEY_BYTES, KnownRows, RowWriter

AllPixels = UInt8[np.ndarray, "images side side 3"]

PIXELS = "pixels.npy"  # in the store's folder
_SHARD_BYTES = 32_000_000  # of pixels that travel at once: some seconds of decoding
_ONE_AT_A_TIME = threading.Lock()  # Pillow's own limit is lifted for a whole process
_VERSION = 1  # of how a file becomes pixels; another one makes every store anew


Row = tuple[bytes, Pixels | None]
"""An image's key, and its pixels where they had to be decoded."""


@dataclass(frozen=True, kw_only=True)
class PixelShard:
    """A range of images, for decoding it elsewhere: their files, and the keys of the rows there already."""

    name: str
    paths: Sequence[Path]
    kept: Sequence[bytes]
    side: int
    max_megapixels: float
    earlier: Path | None


def build_pixels(
    paths: Sequence[Path],
    file: Path,
    side: int,
    *,
    max_megapixels: float = 100.0,
    workers: int | None = None,
    earlier: Path | None = None,
    spread: Spread | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Decode `paths` in order into a .npy file of shape [images, side, side, 3], dtype uint8.

    What is there already is not decoded again: rows that an interrupted call left in `file`, and rows of the
    array `earlier` that were made of the same file content, wherever they stand. spread: runs shards on other
    machines, which see the same files; None = in threads here, which suffices as Pillow decodes and resizes
    without holding the interpreter lock. Returns how many images were decoded. Memory does not grow with the
    number of images. Raises ValueError naming the file that cannot be decoded.
    """
    shape = (side, side, 3)
    known = KnownRows(earlier, shape, np.uint8) if earlier else None
    decoded = 0
    with RowWriter(file, (len(paths), *shape), np.uint8) as writer:
        kept = writer.kept

        def shard(first: int, last: int) -> PixelShard:
            return PixelShard(
                name=f"pictures {first + 1:,} to {last:,}",
                paths=[path.resolve() for path in paths[first:last]],
                kept=kept[first:last],
                side=side,
                max_megapixels=max_megapixels,
                earlier=earlier.resolve() if earlier else None,
            )

        def work(item: tuple[int, Path]) -> Row:
            row, path = item
            return _row(path, side, max_megapixels, kept[row] if row < len(kept) else None, known)

        if spread is None:
            rows = _in_parallel(work, paths, workers)
        else:
            rows = chain.from_iterable(spread(decode_shard, _shards(shard, len(paths), side)))
        for row, (key, pixels) in enumerate(rows):
            if row >= len(kept) or kept[row] != key:
                decoded += pixels is not None
                writer.write(row, _pixels(key, pixels, known)[None], [key])
            if progress:
                progress(row + 1, len(paths))
    return decoded


def _shards(shard: Callable[[int, int], PixelShard], images: int, side: int) -> Iterator[PixelShard]:
    size = max(1, _SHARD_BYTES // (side * side * 3))
    return (shard(first, min(first + size, images)) for first in range(0, images, size))


def decode_shard(shard: PixelShard) -> list[Row]:
    """Decode the images of a shard, as `build_pixels` does its own. One shard of a process at a time."""
    shape = (shard.side, shard.side, 3)
    known = KnownRows(shard.earlier, shape, np.uint8) if shard.earlier else None
    with _ONE_AT_A_TIME, own_size_limit():
        return [
            _row(path, shard.side, shard.max_megapixels, key, known)
            for path, key in zip_longest(shard.paths, shard.kept)
        ]


def _row(path: Path, side: int, max_megapixels: float, kept: bytes | None, known: KnownRows | None) -> Row:
    key = _key(path, side)
    if kept == key or (known is not None and key in known):
        return key, None
    return key, square_picture(path, side, max_megapixels=max_megapixels)


def _in_parallel(
    work: Callable[[tuple[int, Path]], Row], paths: Sequence[Path], workers: int | None
) -> Iterator[Row]:
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
