"""The two editors of the editable modality de-equalizer (EMD), for feature maps and for word sequences."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from dwc.model.attention import SeenText
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
        seen_text: SeenText,
    ) -> Float[Tensor, "batch channels height width"]:
        """Return the edited feature map F'."""
        grid = feature_map.shape[2:]
        gate = torch.sigmoid(self.gate([visual, seen_text], grid))
        return gate * feature_map + F.relu(self.addition([seen_text], grid))


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
        grid = words.shape[2:]
        gate = torch.sigmoid(self.gate([words, image_per_word], grid, mask))
        return gate * words + F.relu(self.addition([image_per_word], grid, mask))
