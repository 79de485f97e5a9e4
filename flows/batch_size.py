"""`dwc batch-size`: which batch size trains fastest on this machine, by real steps on the present store."""

from __future__ import annotations

from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from dwc.config import Train, load_params
from dwc.model.precision import pick_device, uses_bf16
from dwc.planning.wording import amount
from dwc.schema import DRAW
from dwc.store.dataset import Store
from dwc.training.batch_size import Trial, doubling, free_memory, recommended, try_steps
from dwc.training.batches import split_holdout
from dwc.training.start import training_triplets
from flows.stage import PARAMS
from flows.train import FEATURES, STORE, new_batches, new_model, new_optimisers, new_update

FIRST = 8


def find_batch_size(root: Path, largest: int | None, console: Console) -> None:
    """Try batch sizes and show what they bring. Nothing is written, no parameter is changed."""
    settings = load_params(root / PARAMS).train
    device = pick_device(settings.device)
    store = Store(STORE, FEATURES)
    learnt, _ = split_holdout(training_triplets(store), settings.holdout, settings.seed)
    triplets = int(learnt.groupby(DRAW).size().min()) if DRAW in learnt else len(learnt)
    model = new_model(settings, store, device).train()
    optimisers = new_optimisers(model, settings)
    update = new_update(settings, uses_bf16(settings.precision, device))

    def measure(size: int) -> Trial:
        console.print(f"  batch {size} …", style="dim", highlight=False)
        batches = new_batches(settings, size, store, learnt, device)
        return try_steps(batches, model, optimisers, update, size)

    limit = min(triplets, largest or triplets)
    trials = list(doubling(measure, first=min(FIRST, limit), largest=limit, memory=free_memory(device)))
    _show(trials, settings, device, console)


def _show(trials: list[Trial], settings: Train, device: torch.device, console: Console) -> None:
    best = recommended(trials)
    if best is None:
        raise ValueError(
            f"dwc batch-size: a batch of {trials[0].batch_size} does not fit. Lower train.augment.side or "
            "preprocess.resolution, or set train.pixels to disk."
        )
    table = Table(box=None, pad_edge=False)
    for column in ("batch size", "triplets/s", "memory", ""):
        table.add_column(column, justify="left" if not column else "right")
    for size, pace, memory in trials:
        row = ("", "does not fit") if pace is None or memory is None else (f"{pace:,.1f}", amount(memory))
        table.add_row(f"{size:,}", *row, "←" if size == best.batch_size else "")
    console.print(table)
    console.print(
        f"On this {device.type} {best.batch_size} is the smallest batch that is about as fast as any. To set "
        f"it: python -m flows pipeline -S train.batch_size={best.batch_size} (now {settings.batch_size}). It "
        "changes what is learnt: each query is told from the others of its batch, and learning rates belong "
        "to batch sizes.",
        highlight=False,
    )
