"""Convolutions over small maps: one matrix product against the processor library's convolution."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from benchmarks.results import arguments, medians, report
from dwc.model.convolution import SmallMapConv2d

CHANNELS = 512
BATCH = 64


def measure(side: int) -> dict[str, float]:
    """Median seconds of forward and backward of both, in bf16."""
    torch.manual_seed(0)
    x = torch.randn(BATCH, CHANNELS, side, side).to(memory_format=torch.channels_last).requires_grad_()
    layers = {
        "torch": nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False),
        "ours": SmallMapConv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False),
    }
    return medians(
        {name: _step(layer.to(memory_format=torch.channels_last), x) for name, layer in layers.items()}
    )


def _step(layer: nn.Module, x: torch.Tensor) -> Callable[[], None]:
    def step() -> None:
        layer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            y = layer(x)
        y.sum().backward()

    return step


def main() -> None:
    options = arguments(__doc__).parse_args()
    rows = []
    for side in (1, 2, 3, 4):
        seconds = measure(side)
        rows.append(
            [
                f"{side} × {side}",
                seconds["torch"] * 1e3,
                seconds["ours"] * 1e3,
                seconds["torch"] / seconds["ours"],
            ]
        )
    report(
        "small_maps",
        f"3 × 3 convolution over small maps, {CHANNELS} channels, batch {BATCH}, bf16, forward and backward",
        ["map", "torch, ms", "matrix product, ms", "times as fast"],
        rows,
        write=options.write,
    )


if __name__ == "__main__":
    main()
