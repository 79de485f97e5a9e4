"""Finding the batch size at which a machine trains fastest: real steps of doubling batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from typing import NamedTuple

import psutil
import torch

from dwc.model.dwc import DWC
from dwc.training.batches import Batch, TripletBatches
from dwc.training.loop import Update
from dwc.training.speed import peak_memory
from dwc.training.step import Optimisers

SHARE_OF_MEMORY = 0.8  # of what is free; the rest is for validation and whatever else runs
GAIN = 1.05  # times the best throughput so far that counts as more
AS_GOOD = 0.95  # of the best throughput: the smallest such batch is recommended
WARM_UP, TIMED = 2, 4  # steps


class Trial(NamedTuple):
    """Steps of one batch size: triplets per second and peak memory in bytes; None where it did not fit."""

    batch_size: int
    triplets_per_second: float | None
    memory: float | None


def doubling(measure: Callable[[int], Trial], *, first: int, largest: int, memory: float) -> Iterator[Trial]:
    """Try batch sizes from `first` on, each twice the last, up to `largest`.

    It ends where one does not fit, where twice in a row nothing is gained, or before one that would need
    more than `memory` bytes, as far as the last two tell.
    """
    trials: list[Trial] = []
    size, best, idle = first, 0.0, 0
    while size <= largest and idle < 2 and _expected_memory(trials) <= memory:
        trials.append(measure(size))
        yield trials[-1]
        pace = trials[-1].triplets_per_second
        if pace is None:
            return
        idle = 0 if pace > GAIN * best else idle + 1
        best, size = max(best, pace), 2 * size


def recommended(trials: Sequence[Trial]) -> Trial | None:
    """The smallest batch that is nearly as fast as the fastest; None where none fitted."""
    done = [(trial.triplets_per_second, trial) for trial in trials if trial.triplets_per_second is not None]
    best = max((pace for pace, _ in done), default=0.0)
    return next((trial for pace, trial in done if pace >= AS_GOOD * best), None)


def try_steps(
    batches: TripletBatches, model: DWC, optimisers: Optimisers, update: Update, batch_size: int
) -> Trial:
    """Do some steps and time them. Model and optimisers are those of a training that is thrown away."""
    device = next(model.parameters()).device
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    try:
        with closing(_without_end(batches)) as fed:
            for _ in range(WARM_UP):
                update(model, next(fed), optimisers)
            _wait(device)
            started = time.perf_counter()
            for _ in range(TIMED):
                update(model, next(fed), optimisers)
            _wait(device)
            pace = TIMED * batch_size / (time.perf_counter() - started)
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
        return Trial(batch_size, None, None)
    return Trial(batch_size, pace, peak_memory(device))


def free_memory(device: torch.device) -> float:
    """Bytes that this process may come to hold: of the GPU, or on a CPU of main memory."""
    if device.type == "cuda":
        free = torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device)
    else:
        free = psutil.virtual_memory().available + psutil.Process().memory_info().rss
    return SHARE_OF_MEMORY * float(free)


def _expected_memory(trials: Sequence[Trial]) -> float:
    """Of the next trial, whose batch is twice the last one's: what was added last is added twice more."""
    held = [trial.memory for trial in trials if trial.memory is not None]
    if len(held) < 2:
        return held[-1] if held else 0.0
    return held[-1] + 2 * (held[-1] - held[-2])


def _without_end(batches: TripletBatches) -> Generator[Batch]:
    epoch = 0
    while True:
        with closing(batches.epoch(epoch)) as fed:
            yield from fed
        epoch += 1


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
