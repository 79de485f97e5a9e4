"""The Dynamic Weighted Combiner: both streams together."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from dwc.model.backbone import Backbone, BackboneName
from dwc.model.clip_stream import ClipStream
from dwc.model.cnn_stream import CnnStream
from dwc.model.combiner import ImageWeight


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """All that is needed to build the network before its weights are loaded.

    backbone: torchvision name; dim: embedding size D of each stream; words: vocabulary size;
    word_dim: size of a word embedding; clip_dim: embedding size E of the CLIP; resolution: image side,
    pixels; dropout: of the CLIP stream and the combiners; editors, image_weight: what studies switch off, see
    the streams.
    """

    backbone: BackboneName
    dim: int
    words: int
    word_dim: int
    clip_dim: int
    resolution: int
    dropout: float = 0.5
    editors: bool = True
    image_weight: ImageWeight = "learned"

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for config.json."""
        return asdict(self)


class DWC(nn.Module):
    """Two streams that are trained in turns and whose scores are added for retrieval."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.cnn = CnnStream(
            Backbone(config.backbone),
            dim=config.dim,
            words=config.words,
            word_dim=config.word_dim,
            dropout=config.dropout,
            editors=config.editors,
            image_weight=config.image_weight,
        )
        self.clip = ClipStream(
            clip_dim=config.clip_dim,
            dim=config.dim,
            dropout=config.dropout,
            editors=config.editors,
            image_weight=config.image_weight,
        )
