"""The CNN stream's image network: a torchvision ResNet without pooling and classifier."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Literal

import torch
import torchvision
from jaxtyping import Float
from torch import Tensor, nn

from dwc.model.convolution import use_small_map_convolutions
from dwc.model.weights import in_short, read_weights, unreachable

BackboneName = Literal["resnet18", "resnet50"]
KEY = "train.cnn.weights"
_CHANNELS = {"resnet18": 512, "resnet50": 2048}
_IMAGENET = {
    "resnet18": torchvision.models.ResNet18_Weights.IMAGENET1K_V1,
    "resnet50": torchvision.models.ResNet50_Weights.IMAGENET1K_V2,
}


class Backbone(nn.Sequential):
    """ResNet from its stem to its last residual stage: images [B,3,H,W] → map [B,C,H/32,W/32]."""

    def __init__(self, name: BackboneName) -> None:
        network = getattr(torchvision.models, name)()
        kept = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")
        super().__init__(OrderedDict((part, getattr(network, part)) for part in kept))
        self.channels = _CHANNELS[name]
        use_small_map_convolutions(self)

    def forward(self, images: Float[Tensor, "batch 3 h w"]) -> Float[Tensor, "batch c y x"]:
        """Return the feature map F."""
        features: Tensor = super().forward(images)  # type: ignore[no-untyped-call]
        return features


def load_backbone_weights(backbone: Backbone, name: BackboneName, source: str) -> None:
    """Start `backbone` from `imagenet` (torchvision's cache or download) or from a local weights file.

    Classifier weights in the file are ignored; anything else that does not fit raises ValueError.
    """
    state = _imagenet_state(name) if source == "imagenet" else read_weights(Path(source), KEY)
    state = {key: value for key, value in state.items() if not key.startswith("fc.")}
    load_backbone_state(backbone, state, source)


def _imagenet_state(name: BackboneName) -> dict[str, Tensor]:
    url = _IMAGENET[name].url
    file = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]
    if not file.is_file():
        _download(url, file)
    return read_weights(file, KEY)


def _download(url: str, file: Path) -> None:
    """Fetch published weights, whose file name ends with the beginning of their hash."""
    reason = unreachable(url)
    if reason is None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(file), hash_prefix=file.stem.rpartition("-")[2])
            return
        except (OSError, RuntimeError) as error:
            reason = in_short(error)
    raise ValueError(
        f"{KEY} = imagenet: {file.name} is not on this machine and could not be fetched: {reason}. "
        f"Fetch {url} elsewhere and copy it to {file.parent}, or name your copy in {KEY}."
    )


def load_backbone_state(backbone: Backbone, state: dict[str, Tensor], source: str) -> None:
    """Start `backbone` from tensors that came from `source`. Raises ValueError where they do not fit."""
    try:
        backbone.load_state_dict(state)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip()
        raise ValueError(f"{KEY} = {source}: does not fit this backbone: {first}") from None
