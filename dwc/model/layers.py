"""Building blocks that know about padding: generalised-mean pooling and Inception blocks."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from dwc.model.attention import SeenText
from dwc.model.convolution import SmallMapConv2d, WordConv1d
from dwc.model.rows import PoolMask, mean_power, normalise_rows

Grid = Sequence[int]  # height and width of a map, or the number of words
Part = Tensor | SeenText  # [batch, channels, *grid]


class GeM(nn.Module):
    """Generalised-mean pooling over all positions, exponent p learned (Radenovic et al., 2018).

    GeM(x) = (mean over positions of max(x, eps)^p)^(1/p); p = 1 is the mean, p → ∞ the maximum.
    Computed in at least float32, because x^p leaves bfloat16's precision.
    """

    def __init__(self, p: float = 3.0, eps: float = 1e-6) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.full((1,), p))
        self.eps = eps

    def forward(
        self, x: Float[Tensor, "batch dim *positions"], mask: PoolMask | None = None
    ) -> Float[Tensor, "batch dim"]:
        """Pool `x`; positions where `mask` is False take no part."""
        with torch.autocast(x.device.type, enabled=False):
            rows = x.flatten(2).transpose(1, 2)
            return mean_power(rows, self.p, self.eps, mask).pow(1.0 / self.p)


class MaskedBatchNorm1d(nn.BatchNorm1d):
    """BatchNorm over the unmasked positions of [batch, channels, length]; masked positions come out as zero.

    Shapes do not depend on the mask, so that no device waits for the host.
    """

    def forward(  # type: ignore[override]
        self, x: Float[Tensor, "batch channels length"], mask: PoolMask | None
    ) -> Float[Tensor, "batch channels length"]:
        """Normalise `x`; with mask None this is nn.BatchNorm1d."""
        if mask is None:
            return super().forward(x)
        with torch.autocast(x.device.type, enabled=False):
            rows = x.transpose(1, 2)
            wide = torch.promote_types(x.dtype, torch.float32)
            weights = mask.unsqueeze(2).to(wide)
            rows = rows.to(wide) * weights
            normal = (
                self._normal_to_batch(rows, weights) if self.training else self._normal_to_past(rows, weights)
            )
            scaled = torch.addcmul(self.bias * weights, normal, self.weight)
            return scaled.to(x.dtype).transpose(1, 2)

    def _normal_to_past(self, rows: Tensor, weights: Tensor) -> Tensor:
        mean, variance = self._running()
        return (rows - mean * weights) * (variance + self.eps).rsqrt()

    def _normal_to_batch(self, rows: Tensor, weights: Tensor) -> Tensor:
        normal, mean, variance, count = normalise_rows(rows, weights, self.eps)
        unbiased = variance * (count / (count - 1).clamp(min=1))
        assert self.momentum is not None and self.num_batches_tracked is not None
        for running, value in zip(self._running(), (mean, unbiased), strict=True):
            running.lerp_(value.to(running.dtype), self.momentum)
        self.num_batches_tracked.add_(1)
        return normal

    def _running(self) -> tuple[Tensor, Tensor]:
        assert self.running_mean is not None and self.running_var is not None
        return self.running_mean, self.running_var


class ConvBn(nn.Module):
    """Bias-free convolution followed by BatchNorm, over maps (dimensions = 2) or word sequences (1)."""

    def __init__(self, inputs: int, outputs: int, size: int, dimensions: int) -> None:
        super().__init__()
        conv = SmallMapConv2d if dimensions == 2 else WordConv1d
        self.conv = conv(inputs, outputs, size, padding=size // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs) if dimensions == 2 else MaskedBatchNorm1d(outputs)

    def forward(
        self, x: Float[Tensor, "batch inputs *positions"], mask: PoolMask | None = None
    ) -> Float[Tensor, "batch outputs *positions"]:
        """Masked positions must be zero in `x` and are zero in the result."""
        convolved: Tensor = self.conv(x)
        return self.normalise(convolved, mask)

    def normalise(
        self, x: Float[Tensor, "batch outputs *positions"], mask: PoolMask | None
    ) -> Float[Tensor, "batch outputs *positions"]:
        """The BatchNorm alone."""
        normalised: Tensor = self.bn(x, mask) if isinstance(self.bn, MaskedBatchNorm1d) else self.bn(x)
        return normalised

    def pointwise(self, parts: Sequence[Part], grid: Grid) -> Float[Tensor, "batch outputs *positions"]:
        """The 1×1 convolution alone, of parts that stand one above the other: K·[a; b] = K_a·a + K_b·b."""
        weight = self.conv.weight.flatten(1)
        if torch.is_autocast_enabled(weight.device.type):
            weight = weight.to(torch.get_autocast_dtype(weight.device.type))
        matrices = weight.split([_channels(part) for part in parts], dim=1)
        projected = [_projected(part, matrix) for part, matrix in zip(parts, matrices, strict=True)]
        total: Tensor = functools.reduce(torch.add, projected)
        positions: Tensor = total.transpose(1, 2).unflatten(2, grid)
        return positions


def _channels(part: Part) -> int:
    return part.shape[1] if isinstance(part, Tensor) else part.channels


def _projected(
    part: Part, weight: Float[Tensor, "outputs inputs"]
) -> Float[Tensor, "batch positions outputs"]:
    if isinstance(part, Tensor):
        return F.linear(part.flatten(2).transpose(1, 2), weight)
    return part.projected(weight)


class Branch(nn.ModuleList):
    """Convolutions in sequence with ReLU between them; `sizes` are (channels, kernel side), the first side 1.

    pooled: between the first convolution and its BatchNorm a position becomes the mean of its neighbourhood;
    mean and convolution commute, and after the convolution there are fewer channels.
    """

    def __init__(
        self, inputs: int, sizes: Sequence[tuple[int, int]], dimensions: int, *, pooled: bool = False
    ) -> None:
        super().__init__()
        for outputs, side in sizes:
            self.append(ConvBn(inputs, outputs, side, dimensions))
            inputs = outputs
        self.pooled = pooled

    def forward(
        self, parts: Sequence[Part], grid: Grid, mask: PoolMask | None = None
    ) -> Float[Tensor, "batch outputs *positions"]:
        """Masked positions must be zero in `parts` and are zero in the result."""
        first, *others = (layer for layer in self if isinstance(layer, ConvBn))
        x = first.pointwise(parts, grid)
        x = first.normalise(neighbourhood_mean(x, mask) if self.pooled else x, mask)
        for layer in others:
            x = layer(F.relu(x, inplace=True), mask)
        return x


def neighbourhood_mean(
    x: Float[Tensor, "batch channels *positions"], mask: PoolMask | None
) -> Float[Tensor, "batch channels *positions"]:
    """Mean of each position and its neighbours, counting only real positions."""
    if x.dim() == 4:
        return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
    if mask is None:
        return F.avg_pool1d(x, 3, stride=1, padding=1, count_include_pad=False)
    weights = mask.unsqueeze(1).to(x.dtype)
    total = F.avg_pool1d(x * weights, 3, stride=1, padding=1)
    share = F.avg_pool1d(weights, 3, stride=1, padding=1)
    return total / share.clamp(min=1.0 / 3.0) * weights


class Inception(nn.Module):
    """Four parallel branches, concatenated on channels (METHOD section 1).

    1×1 → 3·out/8 | 1×1 → out/2, ReLU, 3×3 → out/4 | 1×1 → out/4, ReLU, 3×3 → out/8, ReLU, 3×3 → out/4 |
    1×1 → out/8, average of the 3×3 neighbourhood. `outputs` must be a multiple of 8.
    """

    def __init__(self, inputs: int, outputs: int, dimensions: int) -> None:
        super().__init__()
        if outputs % 8:
            raise ValueError(f"Inception block: {outputs} output channels are not a multiple of 8.")
        eighth = outputs // 8
        sizes = (
            [(3 * eighth, 1)],
            [(4 * eighth, 1), (2 * eighth, 3)],
            [(2 * eighth, 1), (eighth, 3), (2 * eighth, 3)],
            [(eighth, 1)],
        )
        self.branches = nn.ModuleList(
            Branch(inputs, branch, dimensions, pooled=number == 3) for number, branch in enumerate(sizes)
        )

    def forward(
        self, parts: Sequence[Part], grid: Grid, mask: PoolMask | None = None
    ) -> Float[Tensor, "batch outputs *positions"]:
        """`parts` stand one above the other, `inputs` channels in all; `grid` is the shape of the positions.

        Masked positions must be zero in the parts and are zero in the result.
        """
        return torch.cat([branch(parts, grid, mask) for branch in self.branches], dim=1)


def mlp(inputs: int, hidden: int, outputs: int, dropout: float) -> nn.Sequential:
    """Linear, ReLU, dropout, Linear: the perceptron of gates and combiners."""
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, outputs)
    )
