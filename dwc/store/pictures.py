"""From a decoded picture to a square of pixels: the one preprocessing of training, evaluation and serving."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

from dwc.decoding import open_picture

__all__ = ["Pixels", "open_picture", "square"]

Pixels = UInt8[np.ndarray, "side side 3"]


def square(picture: Image.Image, side: int) -> Pixels:
    """Resize the short side to `side` (bicubic) and cut out the centre square."""
    return np.asarray(ImageOps.fit(picture, (side, side), Image.Resampling.BICUBIC))
