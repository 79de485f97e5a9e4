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
_AT_ONCE = 16  # pictures that a thread takes: with one at a time, threads wait long for one another
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
    machines, which see the same files; None = in threads here, as Pillow decodes and resizes without holding
    the interpreter lock. Returns how many images were decoded. Memory does not grow with the
    number of images. Raises ValueError naming the file that cannot be decoded.
    """
    shape = (side, side, 3)
    known = KnownRows(earlier, shape, np.uint8) if earlier else None
    decoded = 0
    with RowWriter(file, (len(paths), *shape), np.uint8) as writer:
        kept = writer.kept

        def shard(first: int, size: int) -> PixelShard:
            some = slice(first, first + size)
            return PixelShard(
                name=f"pictures {first + 1:,} to {min(first + size, len(paths)):,}",
                paths=[path.absolute() for path in paths[some]],
                kept=kept[some],
                side=side,
                max_megapixels=max_megapixels,
                earlier=earlier.absolute() if earlier else None,
            )

        size = _AT_ONCE if spread is None else max(1, _SHARD_BYTES // (side * side * 3))
        shards = (shard(first, size) for first in range(0, len(paths), size))
        if spread is None:
            done = _in_threads(lambda shard: _decode(shard, known), shards, workers)
        else:
            done = spread(decode_shard, shards)
        for row, (key, pixels) in enumerate(chain.from_iterable(done)):
            if row >= len(kept) or kept[row] != key:
                decoded += pixels is not None
                writer.write(row, _pixels(key, pixels, known)[None], [key])
            if progress:
                progress(row + 1, len(paths))
    return decoded


def decode_shard(shard: PixelShard) -> list[Row]:
    """Decode the images of a shard, as `build_pixels` does its own. One shard of a process at a time."""
    shape = (shard.side, shard.side, 3)
    known = KnownRows(shard.earlier, shape, np.uint8) if shard.earlier else None
    with _ONE_AT_A_TIME, own_size_limit():
        return _decode(shard, known)


def _decode(shard: PixelShard, known: KnownRows | None) -> list[Row]:
    rows: list[Row] = []
    for path, kept in zip_longest(shard.paths, shard.kept):
        key = _key(path, shard.side)
        if kept == key or (known is not None and key in known):
            rows.append((key, None))
        else:
            rows.append((key, square_picture(path, shard.side, max_megapixels=shard.max_megapixels)))
    return rows


def _in_threads(
    work: Callable[[PixelShard], list[Row]], shards: Iterator[PixelShard], workers: int | None
) -> Iterator[list[Row]]:
    threads = workers or os.cpu_count() or 1
    with own_size_limit(), ThreadPoolExecutor(threads) as pool:
        yield from bounded_map(pool, work, shards, window=3 * threads)


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
