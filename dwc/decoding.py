"""From an image file to an upright RGB picture: one decoder for checking, storing and searching.

Whatever the suffix says, the content decides. The size stands in a file's header and is looked at before
anything is decoded, so that a small file cannot unfold into gigabytes.
"""

from __future__ import annotations

import io
import math
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""Decoders that are tried, whatever the file's suffix; Pillow's others include ones that run programs."""


_BROKEN_EXIF = (struct.error, SyntaxError, TypeError, ValueError, KeyError, OSError)


class UndecodableError(ValueError):
    """A picture cannot be decoded; the message says why without naming the file. `size` where known."""

    def __init__(self, problem: str, size: tuple[int, int] = (0, 0)) -> None:
        super().__init__(problem)
        self.size = size


class TooLargeError(UndecodableError):
    """A picture has more pixels than the limit; it was not decoded."""


def open_picture(
    source: Path | bytes, *, max_megapixels: float = 100.0, short_side: int | None = None
) -> Image.Image:
    """Decode a picture upright and in RGB: EXIF rotation applied, transparency on white, first frame.

    short_side: pixels that suffice; a larger JPEG is decoded at 1/2, 1/4 or 1/8, as far as they remain.
    Raises ValueError naming the file (or "uploaded image") where it is no image, truncated or too large.
    """
    name = str(source) if isinstance(source, Path) else "uploaded image"
    try:
        with _opened(source) as file:
            return decode(file, max_megapixels=max_megapixels, short_side=short_side)
    except TooLargeError as error:
        remedy = "Scale it down, or raise validate.max_megapixels."
        raise ValueError(f"{name}: {error}. {remedy}") from error
    except (UndecodableError, OSError) as error:
        raise ValueError(f"{name}: cannot be decoded ({error}). Replace or remove it.") from error


def decode(file: BinaryIO, *, max_megapixels: float, short_side: int | None = None) -> Image.Image:
    """Decode an open file as `open_picture` does. Raises UndecodableError, of whatever kind the defect is."""
    size = (0, 0)
    try:
        with Image.open(file, formats=FORMATS) as picture:
            size = picture.size
            if size[0] * size[1] > max_megapixels * 1e6:
                raise TooLargeError(_too_large(size, max_megapixels), size)
            if short_side:
                scale = short_side / min(size)
                picture.draft(None, (math.ceil(size[0] * scale), math.ceil(size[1] * scale)))
            picture.load()
            return _to_rgb(_upright(picture))
    except UndecodableError:
        raise
    except UnidentifiedImageError:
        raise UndecodableError(f"is no picture that can be read ({', '.join(FORMATS)})") from None
    except Image.DecompressionBombError as error:
        raise TooLargeError(f"{error}") from error
    except Exception as error:  # Pillow's decoders raise errors of many kinds when a file is broken
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UndecodableError(f"does not decode: {reason}", size) from error


@contextmanager
def own_size_limit() -> Iterator[None]:
    """Let Pillow tell the size of every picture: its own limit would refuse; ours is in `decode`.

    Not for use inside threads: it lifts the limit, and silences warnings, for the whole process.
    """
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _opened(source: Path | bytes) -> BinaryIO:
    return source.open("rb") if isinstance(source, Path) else io.BytesIO(source)


def _too_large(size: tuple[int, int], max_megapixels: float) -> str:
    return f"{size[0]} × {size[1]} pixels are more than {max_megapixels:g} megapixels"


def _upright(picture: Image.Image) -> Image.Image:
    """Turn the picture as its EXIF data say; where those are broken, leave it as it is stored."""
    try:
        return ImageOps.exif_transpose(picture)
    except _BROKEN_EXIF:
        return picture


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I") or picture.mode == "F":
        return _eight_bit(picture).convert("RGB")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture).convert("RGB")
    return picture.convert("RGB")


def _eight_bit(picture: Image.Image) -> Image.Image:
    """Scale 16-bit, 32-bit and floating point greys to 0–255; Pillow's own conversion would clip them."""
    values = np.nan_to_num(np.asarray(picture, dtype=np.float64))
    scaled = np.clip(values / _white(picture.mode, values.max(initial=0.0)) * 255.0, 0, 255)
    return Image.fromarray(np.rint(scaled).astype(np.uint8))


def _white(mode: str, largest: float) -> float:
    """The value that means white: known of 16-bit greys, guessed from the largest value of the others."""
    if mode.startswith("I;16"):
        return 65535.0
    usual = (1.0, 255.0, 65535.0) if mode == "F" else (255.0, 65535.0)
    return next((white for white in usual if largest <= white), largest)
