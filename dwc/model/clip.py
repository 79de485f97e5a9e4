"""The frozen CLIP: an open_clip model by name, by custom architecture file, or from a saved folder.

The folder is open_clip's own format (`local-dir:`), so that other programs can load it too.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import open_clip
import torch
from jaxtyping import Float, UInt8
from safetensors.torch import save_file
from torch import Tensor, nn

from dwc.model.clip_source import CONFIG_FILE, clip_config, clip_tokenizer, quiet_open_clip, weights_path
from dwc.model.inputs import normalise, resize
from dwc.model.weights import in_short, weights_errors

_WEIGHTS = "open_clip_model.safetensors"


class FrozenClip:
    """A CLIP with its tokenizer and the preprocessing that its own configuration asks for."""

    def __init__(self, network: nn.Module, tokenizer: Any, config: dict[str, Any]) -> None:
        self.network = network.eval()
        self._tokenizer = tokenizer
        preprocessing = dict(open_clip.get_model_preprocess_cfg(network))
        self._config = {**config, "preprocess_cfg": preprocessing}
        self.mean: Sequence[float] = preprocessing["mean"]
        self.std: Sequence[float] = preprocessing["std"]
        size = preprocessing["size"]
        self.side: int = size if isinstance(size, int) else size[-1]

    @classmethod
    def create(
        cls,
        architecture: str,
        weights: str | None,
        device: torch.device | str = "cpu",
        *,
        weights_file: Path | None = None,
    ) -> FrozenClip:
        """Build a CLIP; see `dwc.model.clip_source` for what the parameters of section `embed` may be.

        Raises ValueError saying how to supply what is missing.
        """
        config = clip_config(architecture, weights)
        files = (Path(name) for name in (architecture, weights, weights_file) if name)
        tokenizer = clip_tokenizer(config, [file.parent for file in files if file.is_file()])
        file = weights_path(architecture, weights, weights_file)
        return cls(_network(config, file, device), tokenizer, config)

    @classmethod
    def load(cls, folder: Path, device: torch.device | str = "cpu") -> FrozenClip:
        """Read a folder that `save` wrote. Raises ValueError where it is incomplete."""
        if not (folder / CONFIG_FILE).is_file() or not (folder / _WEIGHTS).is_file():
            raise ValueError(f"{folder} holds no CLIP. Run the embed stage first.")
        config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        network = _network(config, folder / _WEIGHTS, device)
        return cls(network, clip_tokenizer(config, [folder]), config)

    def save(self, folder: Path) -> None:
        """Write configuration, weights and what the tokenizer reads into an existing folder."""
        (folder / CONFIG_FILE).write_text(json.dumps(self._config, indent=1), encoding="utf-8")
        if hasattr(self._tokenizer, "save_pretrained"):  # a tokenizer that does not come with open_clip
            self._tokenizer.save_pretrained(folder)
        state = {name: value.contiguous() for name, value in self.network.state_dict().items()}
        save_file(state, folder / _WEIGHTS)

    @property
    def dim(self) -> int:
        """Size E of the embeddings."""
        return int(self._config["model_cfg"]["embed_dim"])

    @property
    def device(self) -> torch.device:
        """Where the network lies."""
        return next(self.network.parameters()).device

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        """Token ids [texts, context], cut to the context length."""
        tokens: Tensor = self._tokenizer(list(texts))
        return tokens

    def images(self, pixels: UInt8[Tensor, "batch side side 3"]) -> Float[Tensor, "batch 3 size size"]:
        """What the image tower reads: standardised, and resized to its own side where it differs."""
        return resize(normalise(pixels, self.mean, self.std), self.side)

    @torch.no_grad()
    def encode_images(self, pixels: UInt8[Tensor, "batch side side 3"]) -> Float[Tensor, "batch clip_dim"]:
        """Embed stored pixels; not normalised."""
        embeddings: Tensor = self.network.encode_image(self.images(pixels.to(self.device)))  # type: ignore[operator]
        return embeddings.float()

    @torch.no_grad()
    def encode_texts(self, texts: Sequence[str]) -> Float[Tensor, "batch clip_dim"]:
        """Embed sentences; not normalised."""
        embeddings: Tensor = self.network.encode_text(self.tokenize(texts).to(self.device))  # type: ignore[operator]
        return embeddings.float()

    def backbone_state(self) -> dict[str, Tensor]:
        """Weights of the image tower's trunk where it is a ResNet with torchvision's names.

        Raises ValueError for any other image tower.
        """
        prefix = "visual.trunk."
        state = {
            name.removeprefix(prefix): value.detach().clone()
            for name, value in self.network.state_dict().items()
            if name.startswith(prefix)
        }
        if "layer1.0.conv1.weight" not in state:
            raise ValueError(
                "train.cnn.weights = clip needs a CLIP whose image tower is a plain ResNet (such as "
                "presets/clip/small-resnet18.json). Use imagenet, a local file, or null."
            )
        return state


def weights_digest(folder: Path) -> str:
    """Digest of a saved CLIP: equal where configuration and weights are."""
    digest = hashlib.sha256((folder / CONFIG_FILE).read_bytes())
    with (folder / _WEIGHTS).open("rb") as file:
        return hashlib.file_digest(file, lambda: digest).hexdigest()


def _network(config: dict[str, Any], weights: Path | None, device: torch.device | str) -> nn.Module:
    """Build the network of an open_clip configuration, with random weights where none are given."""
    with tempfile.TemporaryDirectory() as folder, quiet_open_clip():
        (Path(folder) / CONFIG_FILE).write_text(json.dumps(config), encoding="utf-8")
        try:
            network: nn.Module = open_clip.create_model(
                f"local-dir:{folder}", load_weights=False, pretrained_text=False, device=device
            )
        except (ImportError, OSError, RuntimeError, TypeError, ValueError) as error:
            raise ValueError(f"embed.architecture: cannot be built: {in_short(error)}.") from error
        if weights:
            with weights_errors(weights, "embed.weights"):
                open_clip.load_checkpoint(network, str(weights), weights_only=True)
    return network
