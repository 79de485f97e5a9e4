"""Convolutions that learn quickly from small maps too, where the processor's library does not."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

SMALL_MAP = 64
"""Positions of a map up to which a CPU takes the gradient of the weights by matrix products: the library
divides that gradient by positions, and multiplies the border's zeros too (benchmarks/small_maps.py)."""

Pair = tuple[int, int]


class SmallMapConv2d(nn.Conv2d):
    """A Conv2d without bias, dilation and groups that learns from small maps by matrix products on a CPU.

    Parameters, shapes and values are those of nn.Conv2d; the gradient of the weights is, up to the order of
    summation.
    """

    def forward(self, x: Float[Tensor, "batch inputs height width"]) -> Float[Tensor, "batch outputs y x"]:
        """Convolve."""
        padding = (int(self.padding[0]), int(self.padding[1]))
        return convolution(x, self.weight, (self.stride[0], self.stride[1]), padding)


class WordConv1d(nn.Conv1d):
    """The same for sequences of words whose channels lie side by side in memory: a Conv1d of stride 1."""

    def forward(self, x: Float[Tensor, "batch inputs words"]) -> Float[Tensor, "batch outputs words"]:
        """Convolve."""
        return convolution(
            x.unsqueeze(2), self.weight.unsqueeze(2), (1, 1), (0, int(self.padding[0]))
        ).squeeze(2)


def use_small_map_convolutions(network: nn.Module) -> None:
    """Turn the 1×1 and 3×3 convolutions of a network into `SmallMapConv2d`, in place with their weights."""
    for layer in network.modules():
        plain = type(layer) is nn.Conv2d and layer.kernel_size in ((1, 1), (3, 3))
        if plain and layer.bias is None and layer.groups == 1 and layer.dilation == (1, 1):
            layer.__class__ = SmallMapConv2d


def convolution(
    x: Float[Tensor, "batch inputs height width"],
    weight: Float[Tensor, "outputs inputs kernel_height kernel_width"],
    stride: Pair,
    padding: Pair,
) -> Float[Tensor, "batch outputs y x"]:
    """Convolve; what `x` and the device are like decides how the weights will get their gradient."""
    if torch.compiler.is_compiling() or not _is_small(x, weight, stride, padding):
        return F.conv2d(x, weight, stride=stride, padding=padding)
    if torch.is_autocast_enabled("cpu"):
        dtype = torch.get_autocast_dtype("cpu")
        x, weight = x.to(dtype), weight.to(dtype)
    result: Tensor = _Convolution.apply(x, weight, stride, padding)
    return result


def _is_small(x: Tensor, weight: Tensor, stride: Pair, padding: Pair) -> bool:
    """Whether the weights learn, on a CPU, from a small map."""
    if x.device.type != "cpu" or not (weight.requires_grad and torch.is_grad_enabled()):
        return False
    sides = [
        (size + 2 * border - kernel) // step + 1
        for size, border, kernel, step in zip(x.shape[2:], padding, weight.shape[2:], stride, strict=True)
    ]
    return sides[0] * sides[1] <= SMALL_MAP


class _Convolution(torch.autograd.Function):
    """The library's convolution, with our gradient of the weights."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: Pair, padding: Pair) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(x, weight, stride=stride, padding=padding)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, weight = ctx.saved_tensors
        of_x = of_weight = None
        if ctx.needs_input_grad[0]:
            of_x = torch.ops.aten.convolution_backward(
                gradient,
                x,
                weight,
                None,
                ctx.stride,
                ctx.padding,
                [1, 1],
                False,
                [0, 0],
                1,
                [True, False, False],
            )[0]
        if ctx.needs_input_grad[1]:
            of_weight = _gradient_of_weight(x, gradient, weight, ctx.stride, ctx.padding)
        return of_x, of_weight, None, None


def _gradient_of_weight(x: Tensor, gradient: Tensor, weight: Tensor, stride: Pair, padding: Pair) -> Tensor:
    """Σ over positions of gradientᵀ · x: a product for each place of the kernel, over what it sees."""
    outputs, inputs, height, width = weight.shape
    x, gradient = x.permute(0, 2, 3, 1), gradient.permute(0, 2, 3, 1)
    result = x.new_empty(outputs, height, width, inputs)
    for row in range(height):
        rows = _overlap(row - padding[0], stride[0], x.shape[1], gradient.shape[1])
        for column in range(width):
            columns = _overlap(column - padding[1], stride[1], x.shape[2], gradient.shape[2])
            given = gradient[:, rows[0], columns[0]].reshape(-1, outputs)
            seen = x[:, rows[1], columns[1]].reshape(-1, inputs)
            result[:, row, column] = given.T @ seen
    return result.permute(0, 3, 1, 2)


def _overlap(offset: int, step: int, size: int, positions: int) -> tuple[slice, slice]:
    """Positions of the result, along an axis, that see the map from a place of the kernel, and what they see.

    Position p sees p · step + offset; the map has `size`.
    """
    first = max(0, -(offset // step))
    last = min(positions - 1, (size - 1 - offset) // step)
    count = max(0, last - first + 1)
    start = first * step + offset
    return slice(first, first + count), slice(start, start + count * step, step)
