"""What the command line shows: progress with time left, and errors in one screen."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table


@contextmanager
def progress_bar(description: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar with the time left; yields the callback (done, total) that moves it."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(description, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def print_table(heading: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table whose first column is words and whose others are numbers."""
    table = Table(box=None, pad_edge=False)
    for number, column in enumerate(heading):
        table.add_column(column, justify="right" if number else "left")
    for row in rows:
        table.add_row(*(f"{value:,}" if isinstance(value, int) else str(value) for value in row))
    Console().print(table)


@contextmanager
def errors_in_one_screen() -> Iterator[None]:
    """Turn a ValueError, which says what the user can mend, into its message and exit code 1."""
    try:
        yield
    except ValueError as error:
        Console(stderr=True, soft_wrap=True).print(
            f"Error: {error}", style="red", markup=False, highlight=False
        )
        sys.exit(1)
