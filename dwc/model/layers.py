"""Building blocks that know about padding: generalised-mean pooling and Inception blocks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from dwc.model.convolution import SmallMapConv2d
from dwc.model.ranks import moments_of_all

PoolMask = Bool[Tensor, "batch length"]


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
            x = x.to(torch.promote_types(x.dtype, torch.float32))
            powers = x.clamp(min=self.eps).pow(self.p).flatten(2)
            return _masked_mean(powers, mask).pow(1.0 / self.p)


def _masked_mean(x: Float[Tensor, "batch dim length"], mask: PoolMask | None) -> Float[Tensor, "batch dim"]:
    if mask is None:
        return x.mean(dim=2)
    weights = mask.unsqueeze(1).to(x.dtype)
    return (x * weights).sum(dim=2) / weights.sum(dim=2)


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
            x = x.to(torch.promote_types(x.dtype, torch.float32))
            weights = mask.unsqueeze(1).to(x.dtype)
            mean, variance = self._batch_statistics(x, weights) if self.training else self._running()
            scale = self.weight * (variance + self.eps).rsqrt()
            shifted = (x - mean[:, None]) * scale[:, None] + self.bias[:, None]
            return shifted * weights

    def _batch_statistics(self, x: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        count = weights.sum()
        mean = (x * weights).sum(dim=(0, 2)) / count
        variance = ((x - mean[:, None]).square() * weights).sum(dim=(0, 2)) / count
        mean, variance, count = moments_of_all(mean, variance, count)
        unbiased = variance * (count / (count - 1).clamp(min=1))
        assert self.momentum is not None and self.num_batches_tracked is not None
        for running, value in zip(self._running(), (mean, unbiased), strict=True):
            running.lerp_(value.detach().to(running.dtype), self.momentum)
        self.num_batches_tracked.add_(1)
        return mean, variance

    def _running(self) -> tuple[Tensor, Tensor]:
        assert self.running_mean is not None and self.running_var is not None
        return self.running_mean, self.running_var


class ConvBn(nn.Module):
    """Bias-free convolution followed by BatchNorm, over maps (dimensions = 2) or word sequences (1)."""

    def __init__(self, inputs: int, outputs: int, size: int, dimensions: int) -> None:
        super().__init__()
        conv = SmallMapConv2d if dimensions == 2 else nn.Conv1d
        self.conv = conv(inputs, outputs, size, padding=size // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs) if dimensions == 2 else MaskedBatchNorm1d(outputs)

    def forward(
        self, x: Float[Tensor, "batch inputs *positions"], mask: PoolMask | None = None
    ) -> Float[Tensor, "batch outputs *positions"]:
        """Masked positions must be zero in `x` and are zero in the result."""
        x = self.conv(x)
        normalised: Tensor = self.bn(x, mask) if isinstance(self.bn, MaskedBatchNorm1d) else self.bn(x)
        return normalised


class Branch(nn.ModuleList):
    """Convolutions in sequence with ReLU between them; `sizes` are (channels, kernel side) of each."""

    def __init__(self, inputs: int, sizes: Sequence[tuple[int, int]], dimensions: int) -> None:
        super().__init__()
        for outputs, side in sizes:
            self.append(ConvBn(inputs, outputs, side, dimensions))
            inputs = outputs

    def forward(
        self, x: Float[Tensor, "batch inputs *positions"], mask: PoolMask | None = None
    ) -> Float[Tensor, "batch outputs *positions"]:
        """Masked positions must be zero in `x` and are zero in the result."""
        for step, layer in enumerate(self):
            x = layer(F.relu(x) if step else x, mask)
        return x


class Inception(nn.Module):
    """Four parallel branches, concatenated on channels (METHOD section 1).

    1×1 → 3·out/8 | 1×1 → out/2, ReLU, 3×3 → out/4 | 1×1 → out/4, ReLU, 3×3 → out/8, ReLU, 3×3 → out/4 |
    average of the 3×3 neighbourhood, 1×1 → out/8. `outputs` must be a multiple of 8.
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
        self.branches = nn.ModuleList(Branch(inputs, branch, dimensions) for branch in sizes)
        self.dimensions = dimensions

    def forward(
        self, x: Float[Tensor, "batch inputs *positions"], mask: PoolMask | None = None
    ) -> Float[Tensor, "batch outputs *positions"]:
        """Masked positions must be zero in `x` and are zero in the result."""
        inputs = (x, x, x, self._neighbourhood_mean(x, mask))
        return torch.cat([branch(y, mask) for branch, y in zip(self.branches, inputs, strict=True)], dim=1)

    def _neighbourhood_mean(self, x: Tensor, mask: PoolMask | None) -> Tensor:
        """Mean of each position and its neighbours, counting only real positions."""
        if self.dimensions == 2:
            return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
        if mask is None:
            return F.avg_pool1d(x, 3, stride=1, padding=1, count_include_pad=False)
        weights = mask.unsqueeze(1).to(x.dtype)
        total = F.avg_pool1d(x * weights, 3, stride=1, padding=1)
        share = F.avg_pool1d(weights, 3, stride=1, padding=1)
        return total / share.clamp(min=1.0 / 3.0) * weights


def mlp(inputs: int, hidden: int, outputs: int, dropout: float) -> nn.Sequential:
    """Linear, ReLU, dropout, Linear: the perceptron of gates and combiners."""
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, outputs)
    )
