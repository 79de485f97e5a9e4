"""What measurements share: medians of functions that take turns, and the file that keeps the results."""

from __future__ import annotations

import argparse
import re
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path

from dwc.files import write_text
from dwc.machine import machine

RESULTS = Path(__file__).with_name("RESULTS.md")
_HEADING = "# Measurements\n\nEvery script of this folder writes its table here, one for each machine.\n"

Row = Sequence[str | int | float]
Clock = Callable[[], float]


def medians(
    functions: Mapping[str, Callable[[], object]],
    *,
    repeats: int = 7,
    clock: Clock = time.perf_counter,
) -> dict[str, float]:
    """Median seconds of each function; they take turns, so that what disturbs one disturbs all.

    clock: `time.process_time` counts processor seconds, where the machine has other work.
    """
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for repeat in range(repeats + 1):
        for name, function in functions.items():
            started = clock()
            function()
            if repeat:  # the first turn warms caches
                seconds[name].append(clock() - started)
    return {name: statistics.median(values) for name, values in seconds.items()}


def arguments(description: str | None) -> argparse.ArgumentParser:
    """A parser with what every script understands."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--write", action="store_true", help=f"put the table into {RESULTS.name}")
    return parser


def report(name: str, title: str, heading: Row, rows: Sequence[Row], *, write: bool, notes: str = "") -> None:
    """Print a table, and with `write` put it into RESULTS.md in the place of the machine's earlier one."""
    lines = [heading, ["---"] + ["---:"] * (len(heading) - 1), *rows]
    table = "\n".join(f"| {' | '.join(_cell(value) for value in line)} |" for line in lines)
    stamp = f"{machine()}, {date.today().isoformat()}, `python -m benchmarks.{name}`"
    section = "\n\n".join(text for text in (f"## {title}", f"<sub>{stamp}</sub>", table, notes) if text)
    print(section)
    if write:
        write_text(RESULTS, replaced(_current(), title, section))


def replaced(document: str, title: str, section: str) -> str:
    """The document with the section of a title and of this machine replaced, or added at the end."""
    sections = re.split(r"^(?=## )", document, flags=re.MULTILINE)
    stamp = f"<sub>{machine()},"
    kept = [text for text in sections if not (text.startswith(f"## {title}\n") and stamp in text)]
    return "\n\n".join(text.strip() for text in [*kept, section]) + "\n"


def _current() -> str:
    return RESULTS.read_text(encoding="utf-8") if RESULTS.is_file() else _HEADING


def _cell(value: str | int | float) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 100 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else value
