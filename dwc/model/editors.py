"""The two editors of the editable modality de-equalizer (EMD), for feature maps and for word sequences."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from dwc.model.layers import Inception


class ImageEditor(nn.Module):
    """Keeps, by a gate, what the text leaves alone, and adds what it asks for.

    G = sigmoid(Inception([V; T2I])), F' = G ⊙ F + ReLU(Inception(T2I)), where T2I is the text seen from each
    location. dim: channels of V and T2I; channels: of the feature map F.
    """

    def __init__(self, dim: int, channels: int) -> None:
        super().__init__()
        self.gate = Inception(2 * dim, channels, dimensions=2)
        self.addition = Inception(dim, channels, dimensions=2)

    def forward(
        self,
        feature_map: Float[Tensor, "batch channels height width"],
        visual: Float[Tensor, "batch dim height width"],
        text_per_location: Float[Tensor, "batch dim height width"],
    ) -> Float[Tensor, "batch channels height width"]:
        """Return the edited feature map F'."""
        gate = torch.sigmoid(self.gate(torch.cat([visual, text_per_location], dim=1)))
        return gate * feature_map + F.relu(self.addition(text_per_location))


class TextEditor(nn.Module):
    """The same for words: G = sigmoid(Inception([W; I2T])), W' = G ⊙ W + ReLU(Inception(I2T))."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gate = Inception(2 * dim, dim, dimensions=1)
        self.addition = Inception(dim, dim, dimensions=1)

    def forward(
        self,
        words: Float[Tensor, "batch dim words"],
        image_per_word: Float[Tensor, "batch dim words"],
        mask: Bool[Tensor, "batch words"],
    ) -> Float[Tensor, "batch dim words"]:
        """Return the edited words W'; padding words stay zero."""
        gate = torch.sigmoid(self.gate(torch.cat([words, image_per_word], dim=1), mask))
        return gate * words + F.relu(self.addition(image_per_word, mask))
