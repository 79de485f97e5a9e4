"""Arithmetic of a training step, counted without doing it, and how much the device could do."""

from __future__ import annotations

import time
from typing import NamedTuple

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from dwc.model.dwc import DWC, ModelConfig
from dwc.training.batches import Batch
from dwc.training.step import LossSettings, Optimisers, alternating_step

_DATA_SHEETS = (  # dense tera-FLOP/s: part of the name, bfloat16 on tensor cores, float32 without them
    ("H200", 989.0, 67.0),
    ("H100 PCIe", 756.0, 51.0),
    ("H100", 989.0, 67.0),
    ("A100", 312.0, 19.5),
    ("L40S", 362.0, 91.6),
    ("L4", 121.0, 30.3),
    ("A10", 125.0, 31.2),
    ("RTX 4090", 165.0, 82.6),
    ("RTX 3090", 71.0, 35.6),
    ("V100", 0.0, 15.7),
    ("T4", 0.0, 8.1),
)
_SIDE, _TRIES = 1024, 5  # of the matrices that are multiplied where no data sheet is known


class Peak(NamedTuple):
    """What a device can do, FLOP/s, and where that number is from."""

    flops: float
    source: str


def step_flops(config: ModelConfig, batch_size: int, side: int, words: int = 16) -> int:
    """Floating point operations of one alternating step: products of convolutions and matrices, × 2.

    side: of what the CNN stream sees, pixels; words: in a text. Nothing is computed and nothing drawn: the
    step runs on tensors without content.
    """
    with torch.random.fork_rng(devices=[]), FakeTensorMode():
        model = DWC(config).train()
        sgd = [torch.optim.SGD(stream.parameters(), lr=0.0) for stream in (model.cnn, model.clip)]
        batch = _batch(config, batch_size, side, words)
        with FlopCounterMode(display=False) as counter:
            alternating_step(model, batch, Optimisers(*sgd), LossSettings())
    return int(counter.get_total_flops())


def _batch(config: ModelConfig, size: int, side: int, words: int) -> Batch:
    embeddings = torch.empty(size, config.clip_dim)
    return Batch(
        reference=torch.empty(size, 3, side, side),
        target=torch.empty(size, 3, side, side),
        words=torch.zeros(size, words, dtype=torch.int64),
        mask=torch.ones(size, words, dtype=torch.bool),
        clip_reference=embeddings,
        clip_text=embeddings,
        clip_target=embeddings,
        labels=torch.arange(size),
    )


def peak_flops(device: torch.device, bf16: bool) -> Peak:
    """The most FLOP/s of a device: by its data sheet where that is known here, else of a matrix product."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        for part, half, single in _DATA_SHEETS:
            if part in name and (half or not bf16):
                kind = "bfloat16" if bf16 else "float32"
                return Peak((half if bf16 else single) * 1e12, f"data sheet of {part}, {kind}")
    return _measured(device, torch.bfloat16 if bf16 else torch.float32)


def _measured(device: torch.device, dtype: torch.dtype) -> Peak:
    """FLOP/s of the quickest of some products of square matrices."""
    matrix = torch.ones(_SIDE, _SIDE, dtype=dtype, device=device)
    seconds = []
    for _ in range(_TRIES):
        started = time.perf_counter()
        product = matrix @ matrix
        product[0, 0].item()  # waits for a GPU
        seconds.append(time.perf_counter() - started)
    kind = str(dtype).removeprefix("torch.")
    return Peak(2 * _SIDE**3 / min(seconds), f"measured product of {_SIDE} × {_SIDE} matrices, {kind}")
