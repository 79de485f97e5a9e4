"""The adaptive weighted combiner: one image weight per query."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from dwc.model.layers import mlp

ImageWeight = Literal["learned", "equal", "untrained"]


class Query(NamedTuple):
    """A composed query."""

    embedding: Float[Tensor, "batch dim"]
    """unit length"""
    image_weight: Float[Tensor, " batch"]
    """λ between 0 (only the text counts) and 1 (only the image)"""


class WeightedCombiner(nn.Module):
    """λ = sigmoid(MLP([i'; t'])), query = L2(λ·i' + (1 − λ)·t'): weighs edited image and text per query.

    image_weight: `learned` is the paper's; `equal` has no MLP, λ = 1/2 for every query; `untrained` leaves
    the MLP as it was drawn. The last two are for measuring what the learned weight is worth.
    """

    def __init__(self, dim: int, dropout: float = 0.5, image_weight: ImageWeight = "learned") -> None:
        super().__init__()
        self.weight = None if image_weight == "equal" else mlp(2 * dim, dim, 1, dropout)
        if image_weight == "untrained":
            self.requires_grad_(False)

    def forward(self, image: Float[Tensor, "batch dim"], text: Float[Tensor, "batch dim"]) -> Query:
        """Compose the edited image and the edited text into one query."""
        weight = self._image_weight(image, text)
        query = weight * image + (1.0 - weight) * text
        return Query(unit(query), weight.squeeze(1))

    def _image_weight(self, image: Tensor, text: Tensor) -> Float[Tensor, "batch 1"]:
        if self.weight is None:
            return image.new_full((len(image), 1), 0.5)
        return torch.sigmoid(self.weight(torch.cat([image, text], dim=1)))


def reweighed(
    query: Query,
    image: Float[Tensor, "batch dim"],
    text: Float[Tensor, "batch dim"],
    asked: Float[Tensor, " batch"],
) -> Query:
    """Compose edited image and text anew with the image weights asked for; NaN = as the model judged."""
    own = asked.isnan()
    weight = torch.where(own, query.image_weight, asked)
    share = weight.unsqueeze(1)
    recomposed = unit(share * image + (1.0 - share) * text)
    return Query(torch.where(own.unsqueeze(1), query.embedding, recomposed), weight)


def unit(x: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch dim"]:
    """Scale rows to length 1, in at least float32."""
    return F.normalize(x.to(torch.promote_types(x.dtype, torch.float32)), dim=1)
