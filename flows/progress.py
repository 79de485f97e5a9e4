"""Progress of long work, in the terminal and as a Prefect progress artifact."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

SECONDS_BETWEEN_UPDATES = 2.0
NOTHING: Mapping[str, float] = MappingProxyType({})


class StepProgress:
    """Callback `(done, total)` of one step; the server hears of it every two seconds at most."""

    def __init__(self, key: str, description: str, console: Console) -> None:
        self._key = key
        self._description = description
        self._artifact: UUID | None = None
        self._next_update = time.monotonic() + SECONDS_BETWEEN_UPDATES  # short work needs no artifact
        self._bar = Progress(
            TextColumn("  {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[latest]}", style="dim"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task: Any = None

    def __call__(self, done: int, total: int, figures: Mapping[str, float] = NOTHING) -> None:
        """Show that `done` of `total` are done, and the latest figures of the work."""
        self._show_bar(done, total, figures)
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
        latest = "  ".join(f"{name} {value:.3f}" for name, value in figures.items())
        self._bar.update(self._task, completed=done, total=total, latest=latest)
        if done >= total:
            self._bar.stop()

    def _update_artifact(self, percent: float) -> None:
        if self._artifact is not None:
            update_progress_artifact(self._artifact, progress=percent)
            return
        created = create_progress_artifact(percent, key=self._key, description=self._description)
        assert isinstance(created, UUID)
        self._artifact = created
