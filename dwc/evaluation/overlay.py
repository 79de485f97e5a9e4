"""Attention laid over a picture: smooth, half transparent, the picture still to be seen."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from dwc.evaluation.explanation import RegionMap

Picture = UInt8[np.ndarray, "height width 3"]

_OPACITY = 0.75  # where a map is strongest
_GREY = 0.9  # how much of its colour the picture loses below the map, and
_PALE = 0.35  # how far it fades to white, so that the map's colour stands out
_LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def above_even(shares: RegionMap, full: float) -> RegionMap:
    """How far each region's share lies above an even one: 0 = even or less, 1 = `full` times even or more.

    shares: sum to one over the map; full: greater than 1.
    """
    return np.clip((shares * shares.size - 1.0) / (full - 1.0), 0.0, 1.0)


def heat(picture: Picture, strength: RegionMap, colour: str) -> Picture:
    """The picture with little colour left, and over it `colour` (#rrggbb) by strength, 0 to 1."""
    height, width = picture.shape[:2]
    alpha = _OPACITY * enlarge(strength, height, width)[:, :, None]
    light = (picture.astype(np.float32) @ _LUMINANCE)[:, :, None]
    below = (1.0 - _PALE) * (_GREY * light + (1.0 - _GREY) * picture) + _PALE * 255.0
    ink = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)], dtype=np.float32)
    covered: Picture = np.rint((1.0 - alpha) * below + alpha * ink).astype(np.uint8)
    return covered


def enlarge(strength: RegionMap, height: int, width: int) -> Float[np.ndarray, "height width"]:
    """Interpolate a map smoothly (bicubic) over a picture; values stay within 0 to 1."""
    small = Image.fromarray(np.asarray(strength, dtype=np.float32))
    large = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))
    within: np.ndarray = np.clip(large, 0.0, 1.0)
    return within
