"""`dwc plan`: what a run will take in time, disk and memory, before it begins."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil
import torch
from rich.console import Console
from rich.table import Table

from dwc.config import load_params
from dwc.planning.estimate import StageCost, checkpoint_bytes, stage_costs
from dwc.planning.wording import amount, duration
from flows.graph import stage_order
from flows.process import without_flow_run
from flows.stage import PARAMS
from flows.trial import Trial, run_trial


def show_plan(root: Path, console: Console) -> bool:
    """Try every stage on a sample and show what the whole will take; whether it fits on this machine."""
    with console.status("") as status:
        trial = run_trial(root, load_params(root / PARAMS), lambda what: status.update(f"Trying: {what}"))
        status.update("Asking DVC what has changed")
        due = _due(root)
    costs = stage_costs(trial.size, trial.pace, trial.shape, trial.epochs)
    console.print(_table(costs, due))
    return _say_whether_it_fits(root, trial, [cost for cost in costs if cost.name in due], console)


def _due(root: Path) -> list[str]:
    """Stages that are to be run: those that DVC finds changed, and all that come after one of them."""
    command = [sys.executable, "-m", "dvc", "status", "--json"]
    asked = subprocess.run(command, cwd=root, env=without_flow_run(), capture_output=True, text=True)
    if asked.returncode:
        raise ValueError(f"`dvc status` failed. {asked.stderr.strip()}")
    changed = {name.split(":")[-1] for name in json.loads(asked.stdout)}
    order = stage_order(root)
    first = min((place for place, name in enumerate(order) if name in changed), default=len(order))
    return order[first:]


def _table(costs: Sequence[StageCost], due: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("stage", "time", "disk", "memory", ""):
        table.add_column(column, justify="right" if column in ("time", "disk", "memory") else "left")
    for cost in costs:
        note, style = ("", "") if cost.name in due else ("up to date", "dim")
        table.add_row(
            cost.name, duration(cost.seconds), amount(cost.disk), amount(cost.memory), note, style=style
        )
    return table


def _say_whether_it_fits(root: Path, trial: Trial, due: Sequence[StageCost], console: Console) -> bool:
    if not due:
        console.print("Everything is up to date: `dvc repro` has nothing to do.")
        return True
    size = trial.size
    console.print(
        f"{size.images:,} images, {size.learnt:,} triplets to learn from in {trial.epochs.train} epochs, "
        f"{size.queries:,} queries. About {duration(sum(cost.seconds for cost in due))} in all, if this "
        "machine stays as busy as now.",
        highlight=False,
    )
    kept = 2 * sum(cost.disk for cost in due)  # in build/ and in DVC's cache
    disk, free = kept + checkpoint_bytes(trial.shape), shutil.disk_usage(root).free
    memory = max(cost.memory for cost in due if trial.device.type == "cpu" or cost.name != "train")
    held = psutil.virtual_memory().available + psutil.Process().memory_info().rss
    fits = disk <= free and memory <= held
    for name, needed, there in (("disk", disk, free), ("memory", memory, held)):
        console.print(
            f"{name}: {amount(needed)} of {amount(there)} free" + ("" if needed <= there else ": TOO LITTLE"),
            style="" if needed <= there else "red",
            highlight=False,
        )
    if trial.device.type == "cuda":
        total = torch.cuda.get_device_properties(trial.device).total_memory
        console.print(f"GPU: {amount(trial.pace.train_memory)} of {amount(total)}", highlight=False)
    return fits
