"""The CLIP stream: global editing of frozen CLIP embeddings (METHOD section 2)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dwc.model.combiner import ImageWeight, Query, WeightedCombiner, unit
from dwc.model.layers import mlp


class ClipEditedQuery(NamedTuple):
    """A query with what it was composed of."""

    query: Query
    image: Float[Tensor, "batch dim"]
    text: Float[Tensor, "batch dim"]


class ClipStream(nn.Module):
    """Embeds targets and composes queries from CLIP embeddings that are computed once and not normalised.

    clip_dim: embedding size E of the CLIP; dim: embedding size D of the stream; editors: False leaves image
    and text as they are; image_weight: see `WeightedCombiner`.
    """

    def __init__(
        self,
        *,
        clip_dim: int,
        dim: int,
        dropout: float = 0.5,
        editors: bool = True,
        image_weight: ImageWeight = "learned",
    ) -> None:
        super().__init__()
        self.has_editors = editors
        self.image_projection = nn.Sequential(nn.Linear(clip_dim, dim), nn.ReLU(), nn.Dropout(dropout))
        self.text_projection = nn.Sequential(nn.Linear(clip_dim, dim), nn.ReLU(), nn.Dropout(dropout))
        if editors:
            self.image_gate = mlp(2 * dim, dim, dim, dropout)
            self.text_gate = mlp(2 * dim, dim, dim, dropout)
        self.combiner = WeightedCombiner(dim, dropout, image_weight)

    def target(self, image_embeddings: Float[Tensor, "batch clip_dim"]) -> Float[Tensor, "batch dim"]:
        """Embed images, as targets and before editing: i = L2(Dropout(ReLU(Linear(e))))."""
        return unit(self.image_projection(image_embeddings))

    def query(
        self,
        image_embeddings: Float[Tensor, "batch clip_dim"],
        text_embeddings: Float[Tensor, "batch clip_dim"],
    ) -> Query:
        """Compose queries."""
        return self.compose(image_embeddings, text_embeddings).query

    def compose(
        self,
        image_embeddings: Float[Tensor, "batch clip_dim"],
        text_embeddings: Float[Tensor, "batch clip_dim"],
    ) -> ClipEditedQuery:
        """i' = sigmoid(MLP([i; t])) ⊙ i, t' likewise with its own MLP, then the weighted combiner."""
        image = self.target(image_embeddings)
        text = unit(self.text_projection(text_embeddings))
        if self.has_editors:
            image, text = self._edit(image, text)
        return ClipEditedQuery(self.combiner(image, text), image, text)

    def _edit(
        self, image: Float[Tensor, "batch dim"], text: Float[Tensor, "batch dim"]
    ) -> tuple[Float[Tensor, "batch dim"], Float[Tensor, "batch dim"]]:
        both = torch.cat([image, text], dim=1)
        return torch.sigmoid(self.image_gate(both)) * image, torch.sigmoid(self.text_gate(both)) * text
