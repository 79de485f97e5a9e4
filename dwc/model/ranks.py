"""Several processes that train one model together, and what they compute from each other's rows.

Each process is a rank of torch.distributed's default group. Without one there is a single rank, and every
function here gives back what it was given.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor


def rank() -> int:
    """Number of this process among those that train together; 0 where it trains alone."""
    return dist.get_rank() if _together() else 0


def ranks() -> int:
    """How many processes train together."""
    return dist.get_world_size() if _together() else 1


def _together() -> bool:
    return dist.is_available() and dist.is_initialized()


def gather_rows(rows: Tensor) -> Tensor:
    """The rows of all ranks, in the ranks' order; each rank must have the same number.

    A row's gradient is the sum of what all ranks ask of it. Where every rank computes the same loss from the
    gathered rows, the mean over the ranks' gradients of a weight is the gradient of that loss.
    """
    return rows if ranks() == 1 else _GatherRows.apply(rows)


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        parts = [torch.empty_like(rows, memory_format=torch.contiguous_format) for _ in range(ranks())]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total.chunk(ranks())[rank()]


Moments = tuple[Float[Tensor, " channels"], Float[Tensor, " channels"], Float[Tensor, ""]]


def moments_of_all(
    mean: Float[Tensor, " channels"], variance: Float[Tensor, " channels"], count: Float[Tensor, ""]
) -> Moments:
    """Mean, variance (divided by the count) and count over the values of all ranks, from each rank's own.

    With n values in all, n_r of rank r: m = Σ n_r/n·m_r; v = Σ n_r/n·(v_r + (m_r − m)²) (Chan et al., 1983).
    """
    if ranks() == 1:
        return mean, variance, count
    own = torch.cat([mean, variance, count.detach().reshape(1)])
    means, variances, counts = gather_rows(own[None]).split([len(mean), len(mean), 1], dim=1)
    share = counts / counts.sum()
    total = (share * means).sum(0)
    return total, (share * (variances + (means - total).square())).sum(0), counts.sum()
