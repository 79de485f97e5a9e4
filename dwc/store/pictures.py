"""From an image file to a square of pixels: the one preprocessing of training, evaluation and serving."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

Pixels = UInt8[np.ndarray, "side side 3"]


def open_picture(source: Path | bytes, *, max_megapixels: float = 100.0) -> Image.Image:
    """Decode a picture upright and in RGB: EXIF rotation applied, transparency on white, first frame.

    Raises ValueError naming the file (or "uploaded image") where it is no image, truncated or too large.
    """
    name = str(source) if isinstance(source, Path) else "uploaded image"
    try:
        with Image.open(source if isinstance(source, Path) else io.BytesIO(source)) as picture:
            width, height = picture.size
            if width * height > max_megapixels * 1e6:
                raise ValueError(
                    f"{name}: {width} × {height} pixels are more than {max_megapixels:g} megapixels. "
                    "Scale it down, or raise validate.max_megapixels."
                )
            picture.load()
            return _to_rgb(ImageOps.exif_transpose(picture))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{name}: cannot be decoded ({error}). Replace or remove it.") from error


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I") or picture.mode == "F":
        return _eight_bit(picture).convert("RGB")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture).convert("RGB")
    return picture.convert("RGB")


def _eight_bit(picture: Image.Image) -> Image.Image:
    """Scale 16-bit and floating point greys to 0–255; Pillow's own conversion would clip them."""
    values = np.asarray(picture, dtype=np.float64)
    largest = 65535.0 if picture.mode.startswith("I") and values.max(initial=0) > 255 else 255.0
    return Image.fromarray(np.clip(values / largest * 255.0, 0, 255).astype(np.uint8))


def square(picture: Image.Image, side: int) -> Pixels:
    """Resize the short side to `side` (bicubic) and cut out the centre square."""
    return np.asarray(ImageOps.fit(picture, (side, side), Image.Resampling.BICUBIC))
