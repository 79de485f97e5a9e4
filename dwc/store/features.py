"""The feature store: the frozen CLIP's embeddings of every image, its mirror image and every text."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dwc.mapped import let_go
from dwc.store.pixels import AllPixels
from dwc.store.rows import KEY_BYTES, KnownRows, RowWriter

IMAGES, MIRRORED, TEXTS = "images.npy", "mirrored.npy", "texts.npy"

Progress = Callable[[int, int], None]
Encoded = Float[np.ndarray, "rows clip_dim"]


def build_features(
    folder: Path,
    pixels: AllPixels,
    texts: Sequence[str],
    *,
    dim: int,
    encoder: str,
    encode_images: Callable[[Tensor], Float[Tensor, "batch clip_dim"]],
    encode_texts: Callable[[Sequence[str]], Float[Tensor, "batch clip_dim"]],
    batch_size: int,
    earlier: Path | None = None,
    progress: Progress | None = None,
) -> int:
    """Write images.npy, mirrored.npy [images, dim] and texts.npy [texts, dim], float32, into a folder.

    dim: size of the CLIP's embeddings; encoder: names the CLIP with its weights. What the same encoder has
    made of the same pixels or text is not computed again: rows that an interrupted call left in `folder`, and
    those of the features `earlier`. Returns how many images were embedded. Memory does not grow with the
    number of images or texts.
    """
    total = len(pixels) + len(texts)

    def embed_images(rows: Sequence[int]) -> tuple[Encoded, ...]:
        batch = torch.from_numpy(np.array(pixels[list(rows)]))
        return tuple(encode_images(view).cpu().numpy() for view in (batch, batch.flip(2)))

    def report_images(done: int) -> None:
        let_go(pixels)
        report(0)(done)

    def embed_texts(rows: Sequence[int]) -> tuple[Encoded, ...]:
        return (encode_texts([texts[row] for row in rows]).cpu().numpy(),)

    def report(first: int) -> Callable[[int], None]:
        return lambda done: progress(first + done, total) if progress else None

    embedded = _embed(
        (IMAGES, MIRRORED),
        (len(pixels), dim),
        lambda row: _key(np.ascontiguousarray(pixels[row]).data, encoder),
        embed_images,
        folder,
        earlier,
        batch_size,
        report_images,
    )
    _embed(
        (TEXTS,),
        (len(texts), dim),
        lambda row: _key(texts[row].encode(), encoder),
        embed_texts,
        folder,
        earlier,
        batch_size,
        report(len(pixels)),
    )
    return embedded


def _embed(
    names: Sequence[str],
    shape: tuple[int, int],
    key_of: Callable[[int], bytes],
    encode: Callable[[Sequence[int]], tuple[Encoded, ...]],
    folder: Path,
    earlier: Path | None,
    batch_size: int,
    progress: Callable[[int], None],
) -> int:
    """Write arrays that are computed together, one file each; return how many of their rows were computed."""
    known = [KnownRows(earlier / name, shape[1:], np.float32) for name in names] if earlier else []
    computed = 0
    with ExitStack() as stack:
        writers = [stack.enter_context(RowWriter(folder / name, shape, np.float32)) for name in names]
        for start in range(0, shape[0], batch_size):
            rows = range(start, min(start + batch_size, shape[0]))
            keys = [key_of(row) for row in rows]
            if any(writer.kept[start : rows.stop] != keys for writer in writers):
                computed += _write(writers, known, rows, keys, encode)
            progress(rows.stop)
    return computed


def _write(
    writers: Sequence[RowWriter],
    known: Sequence[KnownRows],
    rows: range,
    keys: Sequence[bytes],
    encode: Callable[[Sequence[int]], tuple[Encoded, ...]],
) -> int:
    """Write the rows, as far as they are known from there, the others computed; return how many those are."""
    new = [row for row, key in zip(rows, keys, strict=True) if not _in_all(key, known)]
    computed = iter(zip(*encode(new), strict=True)) if new else iter(())
    every = [tuple(found[key] for found in known) if _in_all(key, known) else next(computed) for key in keys]
    for writer, values in zip(writers, zip(*every, strict=True), strict=True):
        writer.write(rows.start, np.stack(values), keys)
    return len(new)


def _in_all(key: bytes, known: Sequence[KnownRows]) -> bool:
    return bool(known) and all(key in found for found in known)


def _key(content: bytes | memoryview, encoder: str) -> bytes:
    """What decides an embedding: what is embedded, and by whom."""
    return hashlib.blake2b(content, digest_size=KEY_BYTES, key=encoder.encode()[:64]).digest()
