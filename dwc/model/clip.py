"""The frozen CLIP: an open_clip model by name, by custom architecture file, or from a saved folder.

The folder is open_clip's own format (`local-dir:`), so that other programs can load it too.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import open_clip
import torch
from jaxtyping import Float, UInt8
from safetensors.torch import save_file
from torch import Tensor, nn

from dwc.model.inputs import normalise, resize

_CONFIG = "open_clip_config.json"
_WEIGHTS = "open_clip_model.safetensors"


class FrozenClip:
    """A CLIP with its tokenizer and the preprocessing that its own configuration asks for."""

    def __init__(self, network: nn.Module, tokenizer: Any, config: dict[str, Any]) -> None:
        self.network = network.eval()
        self._tokenizer = tokenizer
        self._config = config
        preprocessing = config["preprocess_cfg"]
        self.mean: Sequence[float] = preprocessing["mean"]
        self.std: Sequence[float] = preprocessing["std"]
        size = preprocessing["size"]
        self.side: int = size if isinstance(size, int) else size[-1]

    @classmethod
    def create(cls, architecture: str, weights: str | None, device: torch.device | str = "cpu") -> FrozenClip:
        """Build a CLIP by open_clip name or JSON file, with a pretrained tag, local weights, or random ones.

        Raises ValueError saying how to supply what is missing.
        """
        name = _register(Path(architecture)) if architecture.endswith(".json") else architecture
        if name not in open_clip.list_models():
            raise ValueError(
                f"embed.architecture = {architecture}: open_clip knows no such model. "
                "`python -c 'import open_clip; print(open_clip.list_models())'` lists them."
            )
        try:
            with _quiet():
                network = open_clip.create_model(name, pretrained=weights, device=device)
        except (OSError, RuntimeError, ValueError) as error:
            tags = ", ".join(open_clip.list_pretrained_tags_by_model(name)[:4]) or "none known"
            raise ValueError(
                f"embed.weights = {weights}: weights of {name} could not be loaded: {_first_line(error)}. "
                f"Give an open_clip tag ({tags}), or without network the path of a downloaded "
                ".safetensors or .pt file."
            ) from error
        config = {
            "model_cfg": open_clip.get_model_config(name),
            "preprocess_cfg": dict(open_clip.get_model_preprocess_cfg(network)),
        }
        return cls(network, open_clip.get_tokenizer(name), config)

    @classmethod
    def load(cls, folder: Path, device: torch.device | str = "cpu") -> FrozenClip:
        """Read a folder that `save` wrote. Raises ValueError where it is incomplete."""
        if not (folder / _CONFIG).is_file() or not (folder / _WEIGHTS).is_file():
            raise ValueError(f"{folder} holds no CLIP. Run the embed stage first.")
        config = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
        name = f"local-dir:{folder}"
        return cls(open_clip.create_model(name, device=device), open_clip.get_tokenizer(name), config)

    def save(self, folder: Path) -> None:
        """Write configuration and weights into an existing folder."""
        (folder / _CONFIG).write_text(json.dumps(self._config, indent=1), encoding="utf-8")
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


def _register(file: Path) -> str:
    """Make a custom architecture file known to open_clip; its name is the file's."""
    if not file.is_file():
        raise ValueError(f"embed.architecture: {file}: no such file.")
    open_clip.add_model_config(file)
    return file.stem


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep open_clip, which logs by the root logger, from warning of what was asked for."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        root.setLevel(level)


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]
