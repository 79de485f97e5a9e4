"""How fast a training runs, beside what it learns: figures of every epoch."""

from __future__ import annotations

import resource
import time
from collections.abc import Generator
from contextlib import closing, nullcontext
from typing import NamedTuple

import torch

from dwc.training.batches import Batch, TripletBatches
from dwc.training.parts import part
from dwc.training.profile import StepProfile


class Load(NamedTuple):
    """What a step is made of: triplets, floating point operations, and the FLOP/s the device could do."""

    triplets: int
    flops: float
    peak_flops: float


class Speed:
    """Watches the steps of a training, and with a profile looks into them."""

    def __init__(self, load: Load, device: torch.device, profile: StepProfile | None = None) -> None:
        self._load = load
        self._device = device
        self._profile = profile
        self._waited = self._taken = 0.0
        self._steps = 0

    def watched(self, batches: TripletBatches, epoch: int) -> Generator[Batch]:
        """The batches of an epoch; whoever takes them takes a step with each before the next."""
        self._waited, self._steps, started = 0.0, 0, time.perf_counter()
        with closing(batches.epoch(epoch)) as fed:
            for _ in range(len(batches)):
                with self._profile.step() if self._profile else nullcontext():
                    asked = time.perf_counter()
                    with part("data"):
                        batch = next(fed)
                    self._waited += time.perf_counter() - asked
                    yield batch
                    self._steps += 1
        self._taken = time.perf_counter() - started

    def figures(self) -> dict[str, float]:
        """Of the last epoch that was watched, as they are logged.

        data_stall_share: of the time, waiting for batches and preparing them in the training's own thread;
        model_flops_utilisation: arithmetic of the network's steps against what the device could have done in
        the time; peak_memory_bytes: of the GPU, or of the process since it began.
        """
        per_second = self._steps / self._taken
        return {
            "speed.triplets_per_second": self._load.triplets * per_second,
            "speed.data_stall_share": self._waited / self._taken,
            "speed.model_flops_utilisation": self._load.flops * per_second / self._load.peak_flops,
            "speed.peak_memory_bytes": peak_memory(self._device),
        }

    def close(self) -> None:
        """End the profile, if there is one."""
        if self._profile:
            self._profile.close()


def peak_memory(device: torch.device) -> float:
    """Most bytes that this process has held at a time: of the GPU, or on a CPU of main memory."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0
