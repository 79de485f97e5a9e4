"""Cross attention between words and image locations, both ways from one score matrix."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

WORD_TEMPERATURE = 7.0
SPATIAL_TEMPERATURE = 4.0


class CrossAttention(NamedTuple):
    """What `cross_attention` found."""

    text_per_location: Float[Tensor, "batch dim locations"]
    image_per_word: Float[Tensor, "batch dim words"]
    word_attention: Float[Tensor, "batch words locations"]
    spatial_attention: Float[Tensor, "batch words locations"]


def cross_attention(
    words: Float[Tensor, "batch words dim"],
    locations: Float[Tensor, "batch dim locations"],
    mask: Bool[Tensor, "batch words"],
) -> CrossAttention:
    """Attend from locations to words and from words to locations (METHOD section 1).

    M = W·V; word attention = softmax over words of M/7, text seen from a location = Σ_l A_w·W_l;
    spatial attention = softmax over locations of M/4, image seen from a word = Σ_s A_s·V_s.
    Padding words (mask False) are neither attended to nor given an image.
    """
    padding = ~mask.unsqueeze(2)
    scores = torch.bmm(words, locations).to(torch.promote_types(words.dtype, torch.float32))
    word_attention = (scores / WORD_TEMPERATURE).masked_fill(padding, -torch.inf).softmax(dim=1)
    spatial_attention = (scores / SPATIAL_TEMPERATURE).softmax(dim=2).masked_fill(padding, 0.0)
    return CrossAttention(
        text_per_location=torch.bmm(words.transpose(1, 2), word_attention.to(words.dtype)),
        image_per_word=torch.bmm(locations, spatial_attention.to(locations.dtype).transpose(1, 2)),
        word_attention=word_attention,
        spatial_attention=spatial_attention,
    )
