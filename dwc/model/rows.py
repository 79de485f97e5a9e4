"""Two formulas over rows [batch, positions, channels] with gradients of their own.

They take a third of the passes over memory that the gradients of their single operations take.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from dwc.model.ranks import sum_over_ranks

PoolMask = Bool[Tensor, "batch length"]


def mean_power(
    rows: Float[Tensor, "batch positions channels"], p: Float[Tensor, " 1"], eps: float, mask: PoolMask | None
) -> Float[Tensor, "batch channels"]:
    """Mean over the positions, masked ones left out, of max(x, eps)^p; in at least float32."""
    if mask is None:
        share = rows.new_full((1, 1, 1), 1.0 / rows.shape[1], dtype=_wide(rows))
    else:
        weights = mask.unsqueeze(2).to(_wide(rows))
        share = weights / weights.sum(dim=1, keepdim=True)
    result: Tensor = _MeanPower.apply(rows, p, eps, share)
    return result


class NormalRows(NamedTuple):
    """Rows less their mean, over their standard deviation; and both, which get no gradient.

    rows: how many were counted.
    """

    normal: Float[Tensor, "batch positions channels"]
    mean: Float[Tensor, " channels"]
    variance: Float[Tensor, " channels"]
    rows: Float[Tensor, ""]


def normalise_rows(
    rows: Float[Tensor, "batch positions channels"], weights: Float[Tensor, "batch positions 1"], eps: float
) -> NormalRows:
    """Normalise to mean 0 and variance 1 over the rows of all ranks.

    weights: 1 for the rows that count, 0 for those that do not, which are and stay zero.
    """
    return NormalRows(*_NormaliseRows.apply(rows, weights, eps))


def _wide(x: Tensor) -> torch.dtype:
    return torch.promote_types(x.dtype, torch.float32)


class _MeanPower(torch.autograd.Function):
    """m = Σ share·c^p, c = max(x, eps); ∂m/∂x = share·p·c^(p−1) where x ≥ eps; ∂m/∂p = Σ share·c^p·ln c."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, p: Tensor, eps: float, share: Tensor) -> Tensor:
        logarithms = (
            rows.to(_wide(rows)).clamp_(min=eps) if rows.dtype != _wide(rows) else rows.clamp(min=eps)
        )
        logarithms.log_()
        powers = (logarithms * p).exp_()
        weighted = powers * share
        ctx.save_for_backward(rows, p, share, powers, (weighted * logarithms).sum(dim=1))
        ctx.eps = eps
        return weighted.sum(dim=1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        rows, p, share, powers, slopes = ctx.saved_tensors
        of_rows = powers * (gradient * p).unsqueeze(1) * share
        of_rows = (of_rows / rows.clamp(min=ctx.eps)).masked_fill_(rows < ctx.eps, 0.0)
        return of_rows.to(rows.dtype), (gradient * slopes).sum().view(1), None, None


class _NormaliseRows(torch.autograd.Function):
    """n = (x − mean)/σ over n rows that count; ∂x = (g − mean(g) − n·mean(g·n))/σ there."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weights: Tensor, eps: float) -> tuple[Tensor, ...]:
        count = sum_over_ranks(weights.sum())
        mean = sum_over_ranks(rows.sum(dim=(0, 1))) / count
        normal = torch.addcmul(rows, weights, mean, value=-1)
        variance = sum_over_ranks(normal.square().sum(dim=(0, 1))) / count
        scale = (variance + eps).rsqrt()
        normal *= scale
        ctx.save_for_backward(normal, weights, scale, count)
        ctx.mark_non_differentiable(mean, variance, count)
        return normal, mean, variance, count

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor, None, None]:
        normal, weights, scale, count = ctx.saved_tensors
        gradient = gradient * weights
        of_mean = sum_over_ranks(gradient.sum(dim=(0, 1))) / count
        along = sum_over_ranks((gradient * normal).sum(dim=(0, 1))) / count
        of_rows = gradient.addcmul_(weights, of_mean, value=-1).addcmul_(normal, along, value=-1)
        return of_rows.mul_(scale), None, None
