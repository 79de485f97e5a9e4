"""What the two streams say of the gallery and of the queries, before any ranking."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Streams:
    """Target embeddings of N images (rows in the order in which they were encoded), unit norm."""

    cnn: Float[Tensor, "images dim"]
    clip: Float[Tensor, "images dim"]


@dataclass(frozen=True, kw_only=True)
class EncodedQueries:
    """Query embeddings of Q triplets, unit norm, and how much of each comes from its image (0 to 1)."""

    cnn: Float[Tensor, "queries dim"]
    clip: Float[Tensor, "queries dim"]
    cnn_image_weight: Float[Tensor, " queries"]
    clip_image_weight: Float[Tensor, " queries"]
