"""Random crops and turns on the device that trains, for a whole batch at once."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def random_view(
    images: Float[Tensor, "batch 3 side side"],
    *,
    smallest_area: float,
    rotation: float,
    side: int | None = None,
    generator: torch.Generator,
    batch: int | None = None,
    own: slice = slice(None),
) -> Float[Tensor, "batch 3 view_side view_side"]:
    """Cut from each image a square of `smallest_area` to 1 of its area, turned by up to `rotation` degrees.

    The result has `side` pixels a side, or the images' own; what lies outside an image is mirrored in.
    Where the images are only the rows `own` of a batch of `batch`, they get the views that they have there.
    """
    side = side or images.shape[-1]
    if smallest_area >= 1.0 and rotation == 0.0 and side == images.shape[-1]:
        return images
    drawn = torch.rand(batch or len(images), 4, generator=generator)[own]
    scale = (smallest_area + (1.0 - smallest_area) * drawn[:, 0]).sqrt()
    shift = (2.0 * drawn[:, 1:3] - 1.0) * (1.0 - scale[:, None])
    angle = (2.0 * drawn[:, 3] - 1.0) * math.radians(rotation)
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    affine = torch.stack(
        [torch.stack([cosine, -sine, shift[:, 0]], 1), torch.stack([sine, cosine, shift[:, 1]], 1)], 1
    )
    grid = F.affine_grid(affine.to(images.device), [len(images), 3, side, side], align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
