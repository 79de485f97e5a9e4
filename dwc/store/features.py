"""The feature store: the frozen CLIP's embeddings of every image, its mirror image and every text."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dwc.mapped import let_go
from dwc.store.pixels import AllPixels, open_pixels
from dwc.store.rows import KEY_BYTES, KnownRows, RowWriter

IMAGES, MIRRORED, TEXTS = "images.npy", "mirrored.npy", "texts.npy"
_SHARD_BATCHES = 8

Progress = Callable[[int, int], None]
Encoded = Float[np.ndarray, "rows clip_dim"]
EncodeImages = Callable[[Tensor], Float[Tensor, "batch clip_dim"]]
EncodeTexts = Callable[[Sequence[str]], Float[Tensor, "batch clip_dim"]]


class Rows(NamedTuple):
    """A batch as it is written: a key for each row, an array for each file, and how many rows are new."""

    keys: list[bytes]
    arrays: tuple[Encoded, ...]
    computed: int


class PixelRows(NamedTuple):
    """Some rows of a file of pixels."""

    file: Path
    rows: range


@dataclass(frozen=True, kw_only=True)
class FeatureShard:
    """Some batches, for embedding them elsewhere: images by where they lie, or texts.

    kept: for each file of features, the keys of these rows that are there already; earlier: folder of earlier
    features.
    """

    name: str
    content: PixelRows | Sequence[str]
    kept: Sequence[Sequence[bytes]]
    earlier: Path | None
    dim: int
    batch_size: int


Spread = Callable[[Iterable[FeatureShard]], Iterator[list[Rows | None]]]


class _Source(NamedTuple):
    """What is embedded: its files of features, how many rows, what decides a row, how rows are computed.

    part: what of some rows goes to another machine.
    """

    names: tuple[str, ...]
    length: int
    key_of: Callable[[int], bytes]
    encode: Callable[[Sequence[int]], tuple[Encoded, ...]]
    part: Callable[[range], PixelRows | Sequence[str]]


def build_features(
    folder: Path,
    pixels: AllPixels,
    texts: Sequence[str],
    *,
    dim: int,
    encoder: str,
    encode_images: EncodeImages,
    encode_texts: EncodeTexts,
    batch_size: int,
    earlier: Path | None = None,
    pixels_file: Path = Path(),
    spread: Spread | None = None,
    progress: Progress | None = None,
) -> int:
    """Write images.npy, mirrored.npy [images, dim] and texts.npy [texts, dim], float32, into a folder.

    dim: size of the CLIP's embeddings; encoder: names the CLIP with its weights. What the same encoder has
    made of the same pixels or text is not computed again: rows that an interrupted call left in `folder`, and
    those of the features `earlier`. spread: runs `embed_shard` on other machines, which open `pixels_file`.
    Returns how many images were embedded. Memory does not grow with the number of images or texts.
    """
    total = len(pixels) + len(texts)
    sources = (_images(pixels, encoder, encode_images, pixels_file), _texts(texts, encoder, encode_texts))

    def report(first: int) -> Callable[[int], None]:
        return lambda done: progress(first + done, total) if progress else None

    embedded, _ = (
        _embed(source, dim, folder, earlier, batch_size, spread, report(first))
        for source, first in zip(sources, (0, len(pixels)), strict=True)
    )
    return embedded


def embed_shard(
    shard: FeatureShard, *, encoder: str, encode_images: EncodeImages, encode_texts: EncodeTexts
) -> list[Rows | None]:
    """Embed the batches of a shard as `build_features` does its own; None where all of one is there."""
    if isinstance(shard.content, PixelRows):
        file, rows = shard.content
        source = _images(open_pixels(file)[rows.start : rows.stop], encoder, encode_images, file)
    else:
        source = _texts(shard.content, encoder, encode_texts)
    known = _known(source, shard.dim, shard.earlier)
    return list(_batches(source, shard.kept, known, shard.batch_size))


def _images(pixels: AllPixels, encoder: str, encode: EncodeImages, file: Path) -> _Source:
    def embed(rows: Sequence[int]) -> tuple[Encoded, ...]:
        batch = torch.from_numpy(np.array(pixels[list(rows)]))
        let_go(pixels)
        return tuple(encode(view).cpu().numpy() for view in (batch, batch.flip(2)))

    return _Source(
        names=(IMAGES, MIRRORED),
        length=len(pixels),
        key_of=lambda row: _key(np.ascontiguousarray(pixels[row]).data, encoder),
        encode=embed,
        part=lambda rows: PixelRows(file.resolve(), rows),
    )


def _texts(texts: Sequence[str], encoder: str, encode: EncodeTexts) -> _Source:
    return _Source(
        names=(TEXTS,),
        length=len(texts),
        key_of=lambda row: _key(texts[row].encode(), encoder),
        encode=lambda rows: (encode([texts[row] for row in rows]).cpu().numpy(),),
        part=lambda rows: texts[rows.start : rows.stop],
    )


def _embed(
    source: _Source,
    dim: int,
    folder: Path,
    earlier: Path | None,
    batch_size: int,
    spread: Spread | None,
    progress: Callable[[int], None],
) -> int:
    """Write the source's files; return how many rows were computed."""
    computed = 0
    with ExitStack() as stack:
        writers = [
            stack.enter_context(RowWriter(folder / name, (source.length, dim), np.float32))
            for name in source.names
        ]
        kept = [writer.kept for writer in writers]
        if spread is None:
            batches = _batches(source, kept, _known(source, dim, earlier), batch_size)
        else:
            batches = chain.from_iterable(spread(_shards(source, kept, dim, earlier, batch_size)))
        for start, rows in zip(range(0, source.length, batch_size), batches, strict=True):
            if rows is not None:
                computed += rows.computed
                for writer, values in zip(writers, rows.arrays, strict=True):
                    writer.write(start, values, rows.keys)
            progress(min(start + batch_size, source.length))
    return computed


def _shards(
    source: _Source, kept: Sequence[Sequence[bytes]], dim: int, earlier: Path | None, batch_size: int
) -> Iterator[FeatureShard]:
    size = _SHARD_BATCHES * batch_size
    for start in range(0, source.length, size):
        rows = range(start, min(start + size, source.length))
        yield FeatureShard(
            name=f"{source.names[0].removesuffix('.npy')} {rows.start + 1:,} to {rows.stop:,}",
            content=source.part(rows),
            kept=[keys[rows.start : rows.stop] for keys in kept],
            earlier=earlier.resolve() if earlier else None,
            dim=dim,
            batch_size=batch_size,
        )


def _batches(
    source: _Source, kept: Sequence[Sequence[bytes]], known: Sequence[KnownRows], batch_size: int
) -> Iterator[Rows | None]:
    """Every batch; None where all its rows are kept, in every file."""
    for start in range(0, source.length, batch_size):
        rows = range(start, min(start + batch_size, source.length))
        keys = [source.key_of(row) for row in rows]
        there = all(list(those[rows.start : rows.stop]) == keys for those in kept)
        yield None if there else _rows(source, known, rows, keys)


def _rows(source: _Source, known: Sequence[KnownRows], rows: range, keys: list[bytes]) -> Rows:
    """The rows, as far as they are known from there, the others computed."""
    new = [row for row, key in zip(rows, keys, strict=True) if not _in_all(key, known)]
    computed = iter(zip(*source.encode(new), strict=True)) if new else iter(())
    every = [tuple(found[key] for found in known) if _in_all(key, known) else next(computed) for key in keys]
    return Rows(keys, tuple(np.stack(values) for values in zip(*every, strict=True)), len(new))


def _known(source: _Source, dim: int, earlier: Path | None) -> list[KnownRows]:
    return [KnownRows(earlier / name, (dim,), np.float32) for name in source.names] if earlier else []


def _in_all(key: bytes, known: Sequence[KnownRows]) -> bool:
    return bool(known) and all(key in found for found in known)


def _key(content: bytes | memoryview, encoder: str) -> bytes:
    """What decides an embedding: what is embedded, and by whom."""
    return hashlib.blake2b(content, digest_size=KEY_BYTES, key=encoder.encode()[:64]).digest()
