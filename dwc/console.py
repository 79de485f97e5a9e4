"""What the command line shows: progress with time left, and errors in one screen."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar, runtime_checkable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

R = TypeVar("R")


@contextmanager
def progress_bar(description: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar with the time left; yields the callback (done, total) that moves it."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)  # in a log a bar would leave nothing but a blank line
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(description, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@runtime_checkable
class Teller(Protocol):
    """Who runs the steps of long work and shows how far they are: a terminal, a flow, nobody."""

    def step(self, name: str, work: Callable[..., R], /, *args: Any, **kwargs: Any) -> R:
        """Do a part of the work under a name, and return its result."""

    def progress(self, description: str) -> Callable[[int, int], None]:
        """A callback (done, total) for a step."""


class SilentTeller:
    """Runs the steps in the background, where nobody watches."""

    def step(self, name: str, work: Callable[..., R], /, *args: Any, **kwargs: Any) -> R:
        """Do a part of the work."""
        return work(*args, **kwargs)

    def progress(self, description: str) -> Callable[[int, int], None]:
        """A callback that shows nothing."""
        return lambda done, total: None


class TerminalTeller:
    """Runs the steps of long work in a terminal: each with its progress, and what it took."""

    def step(self, name: str, work: Callable[..., R], /, *args: Any, **kwargs: Any) -> R:
        """Do a part of the work and say how long it took."""
        started = time.monotonic()
        with progress_bar(name) as self._bar:
            result = work(*args, **kwargs)
        seconds = f"{time.monotonic() - started:.1f} s"
        Console(stderr=True).print(f"  {name}  [dim]{seconds}[/dim]", highlight=False)
        return result

    def progress(self, description: str) -> Callable[[int, int], None]:
        """The callback that moves the bar of the step that runs."""
        return self._bar


def print_table(heading: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table whose first column is words and whose others are numbers."""
    table = Table(box=None, pad_edge=False)
    for number, column in enumerate(heading):
        table.add_column(column, justify="right" if number else "left")
    for row in rows:
        table.add_row(*(f"{value:,}" if isinstance(value, int) else str(value) for value in row))
    Console().print(table)


@contextmanager
def errors_in_one_screen(status: int = 1) -> Iterator[None]:
    """Turn a ValueError, which says what the user can mend, into its message and the exit status."""
    try:
        yield
    except ValueError as error:
        Console(stderr=True, soft_wrap=True).print(
            f"Error: {error}", style="red", markup=False, highlight=False
        )
        sys.exit(status)
