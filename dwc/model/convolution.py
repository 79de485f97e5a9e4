"""Convolutions that are fast on small maps too, where the processor's library is not."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

SMALL_MAP = 16
"""Positions of a map up to which one matrix product is faster on a CPU: 2 to 5 times at 2×2 and 3×3 with 512
channels (benchmarks/small_maps.py), because the library divides the gradient of the weights by positions."""


class SmallMapConv2d(nn.Conv2d):
    """A Conv2d without bias, dilation and groups, whose CPU path for small maps is one matrix product.

    Parameters, shapes and values are those of nn.Conv2d, up to the order of summation.
    """

    def forward(self, x: Float[Tensor, "batch inputs height width"]) -> Float[Tensor, "batch outputs y x"]:
        """Convolve."""
        height, width = (self._outputs(axis, size) for axis, size in enumerate(x.shape[2:]))
        if x.device.type != "cpu" or height * width > SMALL_MAP:
            return super().forward(x)
        if torch.is_autocast_enabled("cpu"):
            x = x.to(torch.get_autocast_dtype("cpu"))
        columns = self._columns(x, height, width)
        weight = self.weight.permute(0, 2, 3, 1).flatten(1)
        return F.linear(columns, weight).permute(0, 3, 1, 2)

    def _outputs(self, axis: int, size: int) -> int:
        """Positions of the result along an axis (0 = down, 1 = right)."""
        return (size + 2 * int(self.padding[axis]) - self.kernel_size[axis]) // self.stride[axis] + 1

    def _columns(self, x: Tensor, height: int, width: int) -> Float[Tensor, "batch y x kernel_inputs"]:
        """What the kernel sees at each position of the result, row by row, channels last."""
        rows, columns = self.stride
        down, right = (int(padding) for padding in self.padding)
        padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, right, right, down, down))
        seen = [
            padded[:, y : y + rows * height : rows, x : x + columns * width : columns]
            for y in range(self.kernel_size[0])
            for x in range(self.kernel_size[1])
        ]
        return torch.cat(seen, dim=3)


def use_small_map_convolutions(network: nn.Module) -> None:
    """Turn the 1×1 and 3×3 convolutions of a network into `SmallMapConv2d`, in place with their weights."""
    for layer in network.modules():
        plain = type(layer) is nn.Conv2d and layer.kernel_size in ((1, 1), (3, 3))
        if plain and layer.bias is None and layer.groups == 1 and layer.dilation == (1, 1):
            layer.__class__ = SmallMapConv2d
