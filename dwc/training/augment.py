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
) -> Float[Tensor, "batch 3 view_side view_side"]:
    """Cut from each image a square of `smallest_area` to 1 of its area, turned by up to `rotation` degrees.

    The result has `side` pixels a side, or the images' own; what lies outside an image is mirrored in.
    """
    views = draw_views(
        len(images),
        images.shape[-1],
        smallest_area=smallest_area,
        rotation=rotation,
        side=side,
        generator=generator,
    )
    return images if views is None else cut_views(images, views.to(images.device), side)


def draw_views(
    count: int,
    stored_side: int,
    *,
    smallest_area: float,
    rotation: float,
    side: int | None = None,
    generator: torch.Generator,
) -> Float[Tensor, "count 2 3"] | None:
    """Draw for each image where its view lies; None where every view is the whole image as it is.

    A row (a, b, c) takes a view's coordinates (x, y), -1 to 1 in both, to the image's a·x + b·y + c.
    """
    if smallest_area >= 1.0 and rotation == 0.0 and (side or stored_side) == stored_side:
        return None
    drawn = torch.rand(count, 4, generator=generator)
    scale = (smallest_area + (1.0 - smallest_area) * drawn[:, 0]).sqrt()
    shift = (2.0 * drawn[:, 1:3] - 1.0) * (1.0 - scale[:, None])
    angle = (2.0 * drawn[:, 3] - 1.0) * math.radians(rotation)
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    return torch.stack(
        [torch.stack([cosine, -sine, shift[:, 0]], 1), torch.stack([sine, cosine, shift[:, 1]], 1)], 1
    )


def cut_views(
    images: Float[Tensor, "batch 3 side side"], views: Float[Tensor, "batch 2 3"], side: int | None = None
) -> Float[Tensor, "batch 3 view_side view_side"]:
    """Cut drawn views, `side` pixels a side (or the images' own), from images on the same device."""
    grid = _grid(views, side or images.shape[-1])
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _grid(views: Float[Tensor, "batch 2 3"], side: int) -> Float[Tensor, "batch side side 2"]:
    """Where each pixel of a view lies in its image.

    The same numbers as F.affine_grid's, which multiplies matrices of three columns and takes ten times as
    long on a CPU: x belongs to a column and y to a row, so that their products are few.
    """
    centres = torch.linspace(-1.0, 1.0, side, device=views.device) * (side - 1) / side
    along, down, shift = (part[:, :, None] for part in views.unbind(2))
    places = (along * centres)[:, :, None, :] + (down * centres)[:, :, :, None] + shift[..., None]
    return places.permute(0, 2, 3, 1)
