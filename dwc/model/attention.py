"""Cross attention between words and image locations, both ways from one score matrix."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

WORD_TEMPERATURE = 7.0
SPATIAL_TEMPERATURE = 4.0


class SeenText(NamedTuple):
    """The text seen from each location, T2I = Σ_l A_w[l,s]·W_l, of which only linear maps are asked for."""

    words: Float[Tensor, "batch words dim"]
    attention: Float[Tensor, "batch words locations"]

    @property
    def channels(self) -> int:
        """Dimension D of the words."""
        return self.words.shape[2]

    def projected(self, weight: Float[Tensor, "outputs dim"]) -> Float[Tensor, "batch locations outputs"]:
        """K·T2I: as (K·W)·A_w where there are fewer words than locations, else as K·(W·A_w)."""
        attention = self.attention.transpose(1, 2)
        if self.words.shape[1] < attention.shape[1]:
            return torch.bmm(attention, F.linear(self.words, weight))
        return F.linear(torch.bmm(attention, self.words), weight)


class CrossAttention(NamedTuple):
    """What `cross_attention` found."""

    seen_text: SeenText
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
    image_per_word = torch.bmm(spatial_attention.to(locations.dtype), locations.transpose(1, 2))
    return CrossAttention(
        seen_text=SeenText(words, word_attention.to(words.dtype)),
        image_per_word=image_per_word.transpose(1, 2),
        word_attention=word_attention,
        spatial_attention=spatial_attention,
    )
