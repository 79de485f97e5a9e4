"""Reading one image file to the end: digest, size, and whether it decodes."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from PIL import Image, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""Decoders that are tried, whatever the file's suffix; Pillow's others include ones that run programs."""


class Scan(NamedTuple):
    """What a file turned out to be; the columns that the image table gets."""

    width: int = 0
    height: int = 0
    digest: str | None = None
    problem: str | None = None


def scan(path: Path | None, *, max_megapixels: float) -> Scan:
    """Read and decode a file. A larger picture than `max_megapixels` is measured but not decoded."""
    if path is None:
        return Scan()
    try:
        content = path.read_bytes()
    except OSError as error:
        return Scan(problem=f"cannot be read: {error.strerror}")
    width, height, problem = _decode(content, max_megapixels * 1e6)
    return Scan(width, height, hashlib.sha256(content).hexdigest(), problem)


@contextmanager
def scanning() -> Iterator[None]:
    """Let Pillow tell the size of every picture: its own limit would refuse; ours is in `scan`.

    Not for use inside threads: it lifts the limit, and silences warnings, for the whole process.
    """
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _decode(content: bytes, max_pixels: float) -> tuple[int, int, str | None]:
    if not content:
        return 0, 0, "is an empty file"
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            width, height = image.size
            if width * height <= max_pixels:
                image.load()
    except UnidentifiedImageError:
        return 0, 0, f"is no picture that can be read ({', '.join(FORMATS)})"
    except Exception as error:  # Pillow's decoders raise errors of many kinds when a file is broken
        return 0, 0, f"does not decode: {' '.join(str(error).split()) or type(error).__name__}"
    return width, height, None
