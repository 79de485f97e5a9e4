"""`dwc plan`: which stages would run, how long they take and what they need, before anything is begun."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from dwc.config import Params, load_params
from dwc.machine import machine
from dwc.raw import layouts
from dwc.raw.fashion200k import PairSettings
from dwc.raw.table import TableColumns
from dwc.schema import RawData
from flows.forecast import Disk, Span, stage_disk, stage_seconds
from flows.graph import cache_copies, out_of_date
from flows.rehearsal import Rehearsal, rehearse
from flows.stage import BUILD, PARAMS, STAGES


def show_plan(root: Path, console: Console, *, everything: bool) -> bool:
    """Measure and tell; returns whether it fits. Nothing is left behind and nothing is run.

    everything: as if no stage had run yet.
    """
    params = load_params(root / PARAMS)
    stages = set(STAGES) if everything else out_of_date(root)
    if not stages:
        console.print("Everything is up to date: `dvc repro` would run nothing.", highlight=False)
        return True
    console.print("Measuring on some of the data …", style="dim")
    raw = read_raw(params)
    place = root / BUILD
    place.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place, prefix=".plan-") as folder:
        found = rehearse(params, raw, Path(folder))
    disk = stage_disk(params, found.counts, found.sizes, copied=cache_copies(root))
    return tell(params, found, disk, stages, root, console)


def read_raw(params: Params) -> RawData:
    """The data set as it lies in its folder; its pictures are not looked at."""
    data = params.data
    return layouts.read(
        data.layout,
        data.root,
        data.categories,
        pairs=PairSettings(**data.pairs.model_dump()),
        columns=TableColumns(**data.table.model_dump()),
    )


def tell(
    params: Params,
    found: Rehearsal,
    disk: dict[str, Disk],
    stages: Collection[str],
    root: Path,
    console: Console,
) -> bool:
    """Print one screen; returns whether disk and memory suffice."""
    seconds = stage_seconds(params, found.counts, found.paces)
    table = Table(box=None, pad_edge=False)
    for column in ("stage", "time", "disk", "while it runs"):
        table.add_column(column, justify="left" if column == "stage" else "right")
    total, kept, most = Span(0.0, 0.0), 0, 0
    for name in STAGES:
        if name not in stages:
            table.add_row(name, "up to date", "", "", style="dim")
            continue
        total, kept, most = total + seconds[name], kept + disk[name].kept, max(most, kept + sum(disk[name]))
        passing = f"+ {amount(disk[name].passing)}" if disk[name].passing else ""
        table.add_row(name, duration(seconds[name]), amount(disk[name].kept), passing)
    table.add_row("in all", duration(total), amount(kept), f"at most {amount(most)}", style="bold")
    console.print(table)
    counts = found.counts
    for line in (
        f"{params.data.name}: {counts.images:,} pictures, {counts.learnt:,} triplets in each of "
        f"{params.train.epochs} epochs, {counts.queries:,} queries. Measured on {found.pictures} pictures in "
        f"{found.seconds:.0f} s: {machine()}.",
        f"Memory: {amount(found.sizes.memory)} at a time, {amount(available())} free. "
        f"Disk: {amount(shutil.disk_usage(root).free)} free.",
    ):
        console.print(line, highlight=False, soft_wrap=True)
    problems = _problems(most, found.sizes.memory, root)
    for line in problems:
        console.print(line, style="red", highlight=False, soft_wrap=True)
    return not problems


def _problems(disk: int, memory: int, root: Path) -> list[str]:
    free, found = shutil.disk_usage(root).free, []
    if disk > free:
        found.append(
            f"The disk is too small: {amount(disk)} are needed, {amount(free)} are free. Make room or lower "
            "preprocess.resolution."
        )
    if memory > available():
        found.append(
            f"The memory is too small: {amount(memory)} are needed, {amount(available())} are free. Lower "
            "train.batch_size, or end other programs."
        )
    return found


def available() -> int:
    """Bytes of main memory that are free, this process's own included: it ends before the pipeline begins."""
    own = 0
    with suppress(psutil.Error):
        own = psutil.Process().memory_info().rss
    return int(psutil.virtual_memory().available) + own


def duration(span: Span) -> str:
    """`20–40 s`, `3–7 min` or `1.5–3.0 h`."""
    for unit, seconds, digits in (("s", 1, 0), ("min", 60, 0), ("h", 3600, 1)):
        if span.high < 100 * seconds or unit == "h":
            low, high = (f"{value / seconds:.{digits}f}" for value in span)
            return f"{low} {unit}" if low == high else f"{low}–{high} {unit}"
    raise AssertionError(span)


def amount(size: float) -> str:
    """Bytes in the unit in which they are a small number."""
    for unit in ("kB", "MB", "GB"):
        size /= 1000
        if size < 999.5 or unit == "GB":
            return f"{size:.1f} {unit}" if size < 9.95 else f"{size:,.0f} {unit}"
    raise AssertionError(size)
