"""The CNN stream: encoders trained end to end, editing by spatial and word attention (METHOD section 1)."""

from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from dwc.model.attention import CrossAttention, cross_attention
from dwc.model.backbone import Backbone
from dwc.model.combiner import ImageWeight, Query, WeightedCombiner, unit
from dwc.model.editors import ImageEditor, TextEditor
from dwc.model.layers import GeM, Inception

FeatureMap = Float[Tensor, "batch channels height width"]


class EditedQuery(NamedTuple):
    """A query with what it was composed of."""

    query: Query
    image: Float[Tensor, "batch dim"]
    text: Float[Tensor, "batch dim"]
    attention: CrossAttention | None
    """None without editors, which alone look at it"""


class CnnStream(nn.Module):
    """Embeds targets, and composes queries of a reference image and a tokenised text.

    backbone: image network without pooling, C channels; dim: embedding size D; words: vocabulary size;
    word_dim: size of a word embedding; dropout: of the combiner; editors: False pools image and words as they
    are; image_weight: see `WeightedCombiner`.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        dim: int,
        words: int,
        word_dim: int,
        dropout: float = 0.5,
        editors: bool = True,
        image_weight: ImageWeight = "learned",
    ) -> None:
        super().__init__()
        channels = backbone.channels
        self.has_editors = editors
        self.backbone = backbone
        self.target_pool = GeM()
        self.image_projection = nn.Linear(channels, dim)
        self.word_embedding = nn.Embedding(words, word_dim)
        self.word_states = nn.LSTM(word_dim, dim, batch_first=True)
        if editors:
            self.visual = Inception(channels, dim, dimensions=2)
            self.image_editor = ImageEditor(dim, channels)
            self.text_editor = TextEditor(dim)
        self.image_pool = GeM()
        self.text_pool = GeM()
        self.text_projection = nn.Linear(dim, dim)
        self.combiner = WeightedCombiner(dim, dropout, image_weight)

    def feature_map(self, images: Float[Tensor, "batch 3 side side"]) -> FeatureMap:
        """Run the backbone: F, shared by everything that is asked of an image."""
        features: FeatureMap = self.backbone(images)
        return features

    def embed(self, feature_map: FeatureMap) -> Float[Tensor, "batch dim"]:
        """Embed images as targets: L2(Linear(GeM(F)))."""
        return unit(self.image_projection(self.target_pool(feature_map)))

    def target(self, images: Float[Tensor, "batch 3 side side"]) -> Float[Tensor, "batch dim"]:
        """Embed target or gallery images."""
        return self.embed(self.feature_map(images))

    def query(
        self,
        images: Float[Tensor, "batch 3 side side"],
        words: Int[Tensor, "batch words"],
        mask: Bool[Tensor, "batch words"],
    ) -> Query:
        """Compose queries; `mask` is False at padding words."""
        return self.compose(self.feature_map(images), words, mask).query

    def encode_words(
        self, words: Int[Tensor, "batch words"], mask: Bool[Tensor, "batch words"]
    ) -> Float[Tensor, "batch words dim"]:
        """Word states W of the LSTM, zero at padding."""
        states: Tensor = self.word_states(self.word_embedding(words))[0]
        return states * mask.unsqueeze(2).to(states.dtype)

    def compose(
        self,
        feature_map: FeatureMap,
        words: Int[Tensor, "batch words"],
        mask: Bool[Tensor, "batch words"],
    ) -> EditedQuery:
        """Edit image and text by each other and combine them."""
        states = self.encode_words(words, mask).transpose(1, 2)
        attention = None
        if self.has_editors:
            feature_map, states, attention = self._edit(feature_map, states, mask)
        image = self.image_projection(self.image_pool(feature_map))
        text = self.text_projection(self.text_pool(states, mask))
        return EditedQuery(self.combiner(image, text), image, text, attention)

    def _edit(
        self,
        feature_map: FeatureMap,
        words: Float[Tensor, "batch dim words"],
        mask: Bool[Tensor, "batch words"],
    ) -> tuple[FeatureMap, Float[Tensor, "batch dim words"], CrossAttention]:
        """The edited feature map F' and words W', and the attention behind them."""
        visual = F.relu(self.visual([feature_map], feature_map.shape[2:]))
        attention = cross_attention(words.transpose(1, 2), visual.flatten(2), mask)
        edited_map = self.image_editor(feature_map, visual, attention.seen_text)
        return edited_map, self.text_editor(words, attention.image_per_word, mask), attention
