"""Progress of long work, in the terminal and as a Prefect progress artifact."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

SECONDS_BETWEEN_UPDATES = 2.0
SECONDS_BETWEEN_LINES = 30.0  # where the output is no terminal but a log
NOTHING: Mapping[str, float] = MappingProxyType({})


class StepProgress:
    """Callback `(done, total)` of one step; the server hears of it every two seconds at most."""

    def __init__(self, key: str, description: str, console: Console) -> None:
        self._key = key
        self._description = description
        self._console = console
        self._artifact: UUID | None = None
        self._started = time.monotonic()
        self._next_update = self._started + SECONDS_BETWEEN_UPDATES  # short work needs no artifact
        self._next_line = self._started + SECONDS_BETWEEN_LINES
        self._bar = Progress(
            TextColumn("  {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[latest]}", style="dim"),
            console=console,
            transient=True,
        )
        self._task: Any = None
        self._first = 0

    def __call__(self, done: int, total: int, figures: Mapping[str, float] = NOTHING) -> None:
        """Show that `done` of `total` are done, and the latest figures of the work."""
        self._first = self._first or done  # resumed work does not begin at 0
        if self._console.is_terminal:
            self._show_bar(done, total, figures)
        else:
            self._print_line(done, total, figures)
        if self._artifact is None and done >= total:
            return
        if done >= total or time.monotonic() >= self._next_update:
            self._update_artifact(100.0 * done / max(total, 1))
            self._next_update = time.monotonic() + SECONDS_BETWEEN_UPDATES

    def close(self) -> None:
        """Take the bar off the terminal, also where the work failed half-way."""
        self._bar.stop()

    def _show_bar(self, done: int, total: int, figures: Mapping[str, float]) -> None:
        if self._task is None:
            self._bar.start()
            self._task = self._bar.add_task(self._description, total=total, latest="")
        self._bar.update(self._task, completed=done, total=total, latest=_words(figures))
        if done >= total:
            self._bar.stop()

    def _print_line(self, done: int, total: int, figures: Mapping[str, float]) -> None:
        now = time.monotonic()
        if now < self._next_line or done >= total:
            return
        self._next_line = now + SECONDS_BETWEEN_LINES
        pace = (now - self._started) / max(1, done - self._first)
        left = timedelta(seconds=round(pace * (total - done)))
        self._console.print(
            f"    {self._description} {done:,}/{total:,}, {left} left  {_words(figures)}",
            highlight=False,
            soft_wrap=True,
        )

    def _update_artifact(self, percent: float) -> None:
        if self._artifact is not None:
            update_progress_artifact(self._artifact, progress=percent)
            return
        created = create_progress_artifact(percent, key=self._key, description=self._description)
        assert isinstance(created, UUID)
        self._artifact = created


def _words(figures: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.3f}" for name, value in figures.items())
