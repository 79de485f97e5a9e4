"""The training loop: epochs of alternating steps, each followed by recall on the held-out triplets."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import closing

import torch

from dwc.model.dwc import DWC
from dwc.training.batches import Batch, TripletBatches
from dwc.training.checkpoint import Checkpoints
from dwc.training.optimiser import LearningRates, set_learning_rate
from dwc.training.speed import Speed
from dwc.training.step import Optimisers, StepLosses

Figures = dict[str, int | float]  # of an epoch; only its number is whole
Update = Callable[[DWC, Batch, Optimisers], StepLosses]
Validate = Callable[[DWC], Mapping[str, float]]
Log = Callable[[Mapping[str, float], int], None]
Progress = Callable[[int, int, Mapping[str, float]], None]

STEPS_BETWEEN_LOGS = 10  # reading a loss makes the host wait for the device


def train(
    model: DWC,
    batches: TripletBatches,
    optimisers: Optimisers,
    *,
    epochs: int,
    rates: LearningRates,
    update: Update,
    validate: Validate,
    log: Log,
    checkpoints: Checkpoints,
    seed: int,
    selected_by: str | None,
    resume: bool = True,
    progress: Progress | None = None,
    speed: Speed | None = None,
) -> list[Figures]:
    """Train `model` in place; return one row of losses and held-out figures per epoch.

    update: one alternating step; validate: figures of the model, among them the one named `selected_by`;
    log: takes figures and their step; progress: steps done, all steps, latest losses; speed: watches the
    steps, and its figures are logged. The model ends as the epoch at which that figure was best, or without
    one as the last epoch. An interrupted training goes on after its last whole epoch and ends bit for bit as
    it would have. Raises ValueError where the loss is no longer a number.
    """
    history = checkpoints.resume(model, optimisers) if resume else []
    for epoch in range(len(history), epochs):
        started = time.perf_counter()
        torch.manual_seed(seed + 1_000_003 * epoch)
        model.train()
        losses = _run_epoch(model, batches, optimisers, epoch, epochs, rates, update, log, progress, speed)
        trained = time.perf_counter() - started
        model.eval()
        figures = {"epoch": epoch + 1, **losses, **validate(model), "seconds": trained}
        history.append(figures)
        log({name: value for name, value in figures.items() if name != "epoch"}, (epoch + 1) * len(batches))
        if selected_by and figures[selected_by] >= max(row[selected_by] for row in history):
            checkpoints.save_best(model)
        checkpoints.save_last(model, optimisers, history)
    if selected_by:
        checkpoints.load_best(model)
    model.eval()
    return history


def _run_epoch(
    model: DWC,
    batches: TripletBatches,
    optimisers: Optimisers,
    epoch: int,
    epochs: int,
    rates: LearningRates,
    update: Update,
    log: Log,
    progress: Progress | None,
    speed: Speed | None,
) -> Figures:
    """Run one epoch; return its mean losses."""
    total, latest = torch.zeros(len(StepLosses._fields)), {}
    first, steps = epoch * len(batches), epochs * len(batches)
    with closing(speed.watched(batches, epoch) if speed else batches.epoch(epoch)) as fed:
        for step, batch in enumerate(fed, start=first):
            for optimiser, rate in zip(optimisers, rates.at(step, steps), strict=True):
                set_learning_rate(optimiser, rate)
            losses = torch.stack(update(model, batch, optimisers))
            total = total.to(losses.device) + losses
            if step % STEPS_BETWEEN_LOGS == 0:
                latest = _named(losses, epoch)
                log({f"step.{name}": value for name, value in latest.items()}, step)
            if progress:
                progress(step + 1, steps, latest)
    if speed:
        log(speed.figures(), first + len(batches))
    return _named(total / len(batches), epoch)


def _named(losses: torch.Tensor, epoch: int) -> Figures:
    values = dict(zip(StepLosses._fields, losses.tolist(), strict=True))
    bad = [name for name, value in values.items() if not math.isfinite(value)]
    if bad:
        raise ValueError(
            f"train: {bad[0]} is not a number in epoch {epoch + 1}. Lower train.optimiser.learning_rate or "
            "set train.optimiser.clip_gradient_norm."
        )
    return values
