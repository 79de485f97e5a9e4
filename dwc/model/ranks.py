"""Several processes that train one model together, and what they compute from each other's rows.

Each process is a rank of torch.distributed's default group. Without one there is a single rank, and every
function here gives back what it was given.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
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


def sum_over_ranks(value: Tensor) -> Tensor:
    """The sum of a tensor over all ranks; no gradient goes through it."""
    if ranks() > 1:
        value = value.clone()
        dist.all_reduce(value)
    return value
