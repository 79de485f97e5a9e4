"""Random crops on the device that trains, for a whole batch at once."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def random_crop(
    images: Float[Tensor, "batch 3 side side"], smallest_area: float, generator: torch.Generator
) -> Float[Tensor, "batch 3 side side"]:
    """Cut from each image a square of `smallest_area` to 1 of its area, scaled back to full size."""
    if smallest_area >= 1.0:
        return images
    batch = len(images)
    drawn = torch.rand(batch, 3, generator=generator)
    scale = (smallest_area + (1.0 - smallest_area) * drawn[:, 0]).sqrt()
    shift = (2.0 * drawn[:, 1:] - 1.0) * (1.0 - scale[:, None])
    affine = torch.zeros(batch, 2, 3)
    affine[:, 0, 0] = scale
    affine[:, 1, 1] = scale
    affine[:, :, 2] = shift
    grid = F.affine_grid(affine.to(images.device), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
