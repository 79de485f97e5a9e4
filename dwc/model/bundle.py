"""Saving and loading a trained model: configuration and safetensors, no pickle."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from dwc.model.dwc import DWC, ModelConfig

CONFIG_FILE = "config.json"
STREAM_FILES = {"cnn": "cnn_stream.safetensors", "clip": "clip_stream.safetensors"}


def save_bundle(folder: Path, model: DWC) -> None:
    """Write the model's configuration and both streams' weights into an existing folder."""
    (folder / CONFIG_FILE).write_text(json.dumps(model.config.as_dict(), indent=1), encoding="utf-8")
    for stream, file in STREAM_FILES.items():
        state = {name: value.contiguous() for name, value in getattr(model, stream).state_dict().items()}
        save_file(state, folder / file)


def load_bundle(folder: Path, device: str | torch.device = "cpu") -> DWC:
    """Read a model that `save_bundle` wrote; it is in evaluation mode.

    Raises ValueError naming the folder where a file is missing or does not fit the configuration.
    """
    try:
        config = ModelConfig(**json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8")))
        model = DWC(config)
        for stream, file in STREAM_FILES.items():
            getattr(model, stream).load_state_dict(load_file(folder / file))
    except (OSError, TypeError, RuntimeError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{folder} holds no complete DWC model: {error}. Run the train stage again."
        ) from error
    return model.to(device).eval()
