"""Weights and inputs of the reference vectors, drawn from names alone so that none need to be stored."""

from __future__ import annotations

import math
import zlib
from pathlib import Path

import numpy as np
import torch

from dwc.model.dwc import DWC, ModelConfig
from dwc.model.released_names import our_name

REFERENCE = Path(__file__).parent / "reference"


def normal(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal numbers seeded by the name."""
    generator = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
    return generator.standard_normal(shape)


def value(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The reference network's value of one released parameter or buffer."""
    kind = name.split(".")[-1]
    if kind == "num_batches_tracked":
        return np.zeros(shape)
    drawn = normal(name, shape)
    if kind == "p":
        return 3 + drawn / 10
    if kind == "running_mean":
        return drawn / 10
    if kind == "running_var":
        return 1 + np.tanh(drawn) / 2
    if len(shape) <= 1:
        return (kind == "weight") + drawn / 20
    return drawn / math.sqrt(np.prod(shape[1:]))


def released_shapes() -> dict[str, tuple[int, ...]]:
    """Every released parameter and buffer with its shape."""
    shapes = {}
    for stream in ("cnn", "clip"):
        for line in (REFERENCE / f"{stream}_stream_parameters.tsv").read_text().splitlines()[1:]:
            name, shape = line.split("\t")
            shapes[name] = () if shape == "scalar" else tuple(int(n) for n in shape.split("x"))
    return shapes


def reference_model(dtype: torch.dtype = torch.float64) -> DWC:
    """Our network with the reference weights, in evaluation mode."""
    with torch.device("meta"):
        model = DWC(
            ModelConfig(backbone="resnet50", dim=1024, words=23, word_dim=512, clip_dim=1024, resolution=96)
        )
    state = {
        ours: torch.from_numpy(np.asarray(value(name, shape)))
        for name, shape in released_shapes().items()
        if (ours := our_name(name)) is not None
    }
    model.load_state_dict(state, assign=True)
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    return model.to(dtype).eval()
