"""Training in several processes at once, one for each device: how they meet, and who writes.

torchrun starts the processes and tells each its number in the environment (RANK, WORLD_SIZE, LOCAL_RANK).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Literal

import torch
import torch.distributed as dist

from dwc.model.dwc import DWC
from dwc.model.precision import pick_device
from dwc.training.checkpoint import Checkpoints
from dwc.training.step import Optimisers

PATIENCE = timedelta(
    hours=6
)  # how long the others wait for rank 0 to validate; torchrun ends who waits for the dead


def devices_here(asked: int | Literal["all"], device: str) -> int:
    """How many devices of this machine `train.devices` names. Raises ValueError where it has fewer.

    On the CPU, of which there is one, a number is that of processes.
    """
    kind = pick_device(device)
    if kind.type == "cpu":
        return 1 if asked == "all" else asked
    there = torch.cuda.device_count()
    count = there if asked == "all" else asked
    if count > there:
        raise ValueError(f"train.devices = {asked}: this machine has {there} GPU. Lower it, or write all.")
    if count > 1 and kind.index is not None:
        raise ValueError(
            f"train.device = {device} names one GPU, train.devices = {asked}. Write cuda or auto."
        )
    return count


@contextmanager
def training_together(device: str, meeting: Path | None) -> Iterator[torch.device]:
    """Join the process group of the processes that torchrun started; yields this one's device.

    meeting: a file that does not exist yet, through which processes of one machine find each other without
    listening to the network; None = at the address that torchrun names.
    """
    kind = pick_device(device)
    if kind.type == "cuda":
        kind = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(kind)
    dist.init_process_group(
        "nccl" if kind.type == "cuda" else "gloo",
        init_method=f"file://{meeting}" if meeting else "env://",
        rank=int(os.environ["RANK"]),
        world_size=int(os.environ["WORLD_SIZE"]),
        timeout=PATIENCE,
        device_id=kind if kind.type == "cuda" else None,
    )
    yield kind
    dist.destroy_process_group()  # not after an error: the others may be waiting for this process elsewhere


class SharedCheckpoints(Checkpoints):
    """Checkpoints in a folder that all ranks see: rank 0 writes them, all go on from them."""

    def save_last(self, model: DWC, optimisers: Optimisers, history: list[dict[str, int | float]]) -> None:
        """Write, as rank 0."""
        if dist.get_rank() == 0:
            super().save_last(model, optimisers, history)

    def save_best(self, model: DWC) -> None:
        """Write, as rank 0."""
        if dist.get_rank() == 0:
            super().save_best(model)

    def resume(self, model: DWC, optimisers: Optimisers) -> list[dict[str, int | float]]:
        """Load the last checkpoint. Raises ValueError where the ranks do not all begin with the same."""
        history = super().resume(model, optimisers)
        self.require_agreement(len(history))
        return history

    def require_agreement(self, epochs: int) -> None:
        """Raise ValueError unless all ranks have the same data, parameters and whole epochs behind them."""
        text = f"{self._identity} {epochs}".encode()
        device = torch.device("cuda") if dist.get_backend() == "nccl" else torch.device("cpu")
        own = torch.tensor(int.from_bytes(hashlib.sha256(text).digest()[:7]), device=device)
        every = [torch.empty_like(own) for _ in range(dist.get_world_size())]
        dist.all_gather(every, own)
        if any(int(other) != int(own) for other in every):
            raise ValueError(
                "train: the processes that train together see different data, parameters or checkpoints. All "
                "machines need the same project folder, on a shared disk."
            )
