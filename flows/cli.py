"""The `dwc` command with what needs DVC or Prefect; what does not lives in dwc.cli."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from dwc.cli import app
from dwc.console import errors_in_one_screen
from flows import environment


@app.command()
def study(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="a study of studies.yaml, or `all`; none: list them"),
    ] = None,
    report_only: Annotated[
        bool, typer.Option("--report-only", help="run nothing; write table and figure from the records")
    ] = False,
) -> None:
    """Run what is missing of a study, and write its table and figure to docs/studies/."""
    from flows.study import show_studies, write_documents

    root, console = Path.cwd(), Console()
    environment.prepare(root)
    with errors_in_one_screen():
        if name is None:
            show_studies(root, console)
        elif report_only:
            write_documents(root, name, console)
        else:
            raise typer.Exit(_run(root, name, console))


@app.command()
def batch_size(
    largest: Annotated[int | None, typer.Option(min=1, help="where to stop; default: where it does")] = None,
) -> None:
    """Try batch sizes with real training steps, and say which is fastest here. Nothing is changed."""
    root = Path.cwd()
    environment.prepare(root)
    with errors_in_one_screen():
        from flows.batch_size import find_batch_size

        find_batch_size(root, largest, Console())


@app.command()
def plan() -> None:
    """Try every stage on a few triplets, and say what a run takes: time, disk, memory. Nothing is changed."""
    root = Path.cwd()
    environment.prepare(root)
    with errors_in_one_screen():
        from flows.plan import show_plan

        if not show_plan(root, Console()):
            raise typer.Exit(1)


def _run(root: Path, name: str, console: Console) -> int:
    """Run a study; returns 1 where runs failed, 130 after Ctrl-C."""
    from flows.study import run_study

    try:
        failed = run_study(root, name, console)
    except KeyboardInterrupt:
        console.print(f"Stopped. `dwc study {name}` goes on with what is missing.", highlight=False)
        return 130
    if failed:
        console.print(f"{failed} runs failed; `dwc study {name}` tries them again.", style="red")
    return int(failed > 0)


if __name__ == "__main__":
    app()
