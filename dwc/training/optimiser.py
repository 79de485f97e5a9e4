"""Adam for each stream, and the course of its learning rate."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

Schedule = Literal["constant", "cosine"]


def build_adam(
    parameters: Iterable[nn.Parameter], *, learning_rate: float, weight_decay: float
) -> torch.optim.Adam:
    """Adam as the paper uses it (eps 1e-8), all parameters in one fused update."""
    return torch.optim.Adam(parameters, lr=learning_rate, eps=1e-8, weight_decay=weight_decay, fused=True)


def learning_rate_factor(step: int, steps: int, *, schedule: Schedule, warmup: float) -> float:
    """Factor on the peak learning rate at `step` of `steps`: linear rise over the `warmup` share, then on."""
    rising = warmup * steps
    if step < rising:
        return (step + 1) / (rising + 1)
    if schedule == "constant":
        return 1.0
    progress = (step - rising) / max(1.0, steps - rising)
    return 0.5 * (1.0 + math.cos(math.pi * progress))


@dataclass(frozen=True, kw_only=True)
class LearningRates:
    """Peak learning rate of each stream and the course they share."""

    cnn: float
    clip: float
    schedule: Schedule = "constant"
    warmup: float = 0.0

    def at(self, step: int, steps: int) -> tuple[float, float]:
        """Learning rates of the CNN and the CLIP stream at `step` of `steps`."""
        factor = learning_rate_factor(step, steps, schedule=self.schedule, warmup=self.warmup)
        return self.cnn * factor, self.clip * factor


def set_learning_rate(optimiser: torch.optim.Optimizer, value: float) -> None:
    """Set the learning rate of all parameter groups; one with a `factor` gets that share of it."""
    for group in optimiser.param_groups:
        group["lr"] = value * group.get("factor", 1.0)
