"""From stored pixels to what the networks read."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


def normalise(
    pixels: UInt8[Tensor, "batch side side 3"],
    mean: Sequence[float] = CLIP_MEAN,
    std: Sequence[float] = CLIP_STD,
) -> Float[Tensor, "batch 3 side side"]:
    """Standardise colour channels, on the device the pixels are on; channels-last in memory."""
    side = pixels.shape[2]
    offset, scale = (_along_a_row(tuple(values), side, pixels.device) for values in (mean, std))
    rows = pixels.flatten(2).float().sub_(offset).div_(scale)
    return rows.view(*pixels.shape).permute(0, 3, 1, 2)


@lru_cache(maxsize=64)
def _along_a_row(values: tuple[float, ...], side: int, device: torch.device) -> Float[Tensor, " side_3"]:
    """Values of the three channels for every pixel of a row: long rows are fast, three numbers are not."""
    return (torch.tensor(values, device=device) * 255.0).repeat(side)


def resize(
    images: Float[Tensor, "batch 3 side side"], side: int
) -> Float[Tensor, "batch 3 other_side other_side"]:
    """Scale square images (bicubic, antialiased) where their side is not `side` already."""
    if images.shape[-1] == side:
        return images
    return F.interpolate(images, size=(side, side), mode="bicubic", antialias=True)
