"""`python -m flows <command>`: one stage, the whole pipeline, or the servers around it."""

from __future__ import annotations

import importlib
import os
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer

from dwc.console import errors_in_one_screen
from flows import environment

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Run the pipeline's flows.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
ARGUMENTS_OF_OTHERS = {"allow_extra_args": True, "ignore_unknown_options": True}


def main() -> None:
    """Run a command; what the user can mend ends as a message, not as a stack trace."""
    environment.prepare(Path.cwd())
    with errors_in_one_screen():
        app()


@app.command()
def validate() -> None:
    """Turn the raw annotations and pictures into two checked tables."""
    run_stage("validate")


@app.command()
def preprocess() -> None:
    """Decode every picture once and number every text and word."""
    run_stage("preprocess")


@app.command()
def embed() -> None:
    """Compute the frozen CLIP's features of every picture and text."""
    run_stage("embed")


@app.command()
def train() -> None:
    """Train the model and register its serving package."""
    run_stage("train")


@app.command()
def join(
    node: Annotated[int, typer.Argument(min=1, help="number of this machine; the stage's own is 0")],
) -> None:
    """Take part in the training that the train stage of another machine runs (train.nodes)."""
    from flows.join import join as take_part

    take_part(node)


@app.command()
def evaluate() -> None:
    """Measure the model by the benchmark's protocol and write the report."""
    run_stage("evaluate")


DataRevision = Annotated[
    str, typer.Option(help="commit, tag or branch whose data.dvc names the data, or the md5 in it")
]
TimeoutHours = Annotated[
    float, typer.Option(min=0, help="end the run where it has not finished by itself after this time")
]


@app.command()
def pipeline(
    preset: Annotated[str, typer.Option(help="parameter file of presets/, by name")] = "params.yaml",
    override: Annotated[
        list[str] | None, typer.Option("--set", "-S", help="change of a parameter, such as train.epochs=3")
    ] = None,
    data_revision: DataRevision = "",
    seed: Annotated[int | None, typer.Option(min=0, help="short for -S train.seed=…")] = None,
    stage: Annotated[str, typer.Option(help="only this stage, and what it needs")] = "all",
    promote: Annotated[bool, typer.Option("--promote", help="then promote what passes the gate")] = False,
    timeout_hours: TimeoutHours = 0,
) -> None:
    """Bring every stage up to date, as flows below one parent flow."""
    from flows.server import run_flow

    state = run_flow(
        Path.cwd(),
        "pipeline",
        preset=preset,
        overrides=override or [],
        data_revision=data_revision,
        seed=seed,
        stage=stage,
        promote=promote,
        timeout_hours=timeout_hours,
    )
    require_success(state)


@app.command()
def refresh(
    data_revision: DataRevision = "",
    promote: Annotated[bool, typer.Option(help="let the gate make the new model champion")] = True,
    timeout_hours: TimeoutHours = 0,
) -> None:
    """Fetch newer data, run the pipeline on them where there are any, and promote what passes the gate."""
    from flows.server import run_flow

    state = run_flow(
        Path.cwd(), "refresh", data_revision=data_revision, promote=promote, timeout_hours=timeout_hours
    )
    require_success(state)
    typer.echo(f"{state.name}: {state.message}" if state.message else state.name)


@app.command()
def promote(
    model: Annotated[str | None, typer.Option(help="default: the alias `challenger`")] = None,
    without_champion: Annotated[
        bool, typer.Option("--without-champion", help="by the floors alone, compared with nobody")
    ] = False,
) -> None:
    """Make the challenger champion if it passes the gate; a failed gate ends with status 1."""
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "WARNING")
    from flows.promote import promote as flow
    from flows.subflow import speak_for_the_run

    speak_for_the_run()
    require_success(flow(model, without_champion, return_state=True))


@app.command(context_settings=ARGUMENTS_OF_OTHERS)
def with_server(context: typer.Context) -> None:
    """Run a command (after --) with one Prefect server for all flows below it."""
    from flows.server import run_with_server

    if not context.args:
        raise ValueError("with-server: give the command after --, such as: with-server -- dvc repro")
    raise typer.Exit(run_with_server(Path.cwd(), context.args))


@app.command()
def ui() -> None:
    """Run Prefect, a worker for the pipeline and MLflow until Ctrl-C."""
    from flows.ui import run

    raise typer.Exit(run(Path.cwd()))


@app.command()
def worker() -> None:
    """Deploy the pipeline to the Prefect server of PREFECT_API_URL, and run a worker for it."""
    from flows.worker import work

    raise typer.Exit(work(Path.cwd()))


@app.command()
def automations(
    webhook: Annotated[
        str | None, typer.Option(envvar="DWC_WEBHOOK", help="address that is told of failed runs")
    ] = None,
) -> None:
    """Load automations.yaml into the running Prefect server: what it does when a run fails."""
    if "PREFECT_API_URL" not in os.environ:
        raise ValueError("No Prefect server is running for this project. Start one with `make ui`.")
    from flows.automations import load_automations

    for name in load_automations(Path.cwd(), webhook):
        typer.echo(f"loaded: {name}")


@app.command()
def serve() -> None:
    """Serve the challenger model over HTTP on this machine."""
    from flows.serve import serve as run

    raise typer.Exit(run(Path.cwd()))


@app.command()
def result() -> None:
    """Print the figures of the last evaluation and where its report lies."""
    from flows.result import show

    show()


def run_stage(name: str) -> None:
    """Run the flow of a stage. Raises ValueError with its message where it failed."""
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "WARNING")
    from flows.cluster import on_cluster
    from flows.subflow import run_below_parent, speak_for_the_run

    flow = on_cluster(getattr(importlib.import_module(f"flows.{name}"), name))
    speak_for_the_run()
    require_success(run_below_parent(flow))


def require_success(state: Any) -> None:
    """Return where a flow completed; otherwise raise ValueError with its message.

    A fault of the program itself, not of what it was given, shows its stack trace first.
    """
    if state.is_completed():
        return
    error = state.result(raise_on_failure=False) if state.data is not None else None
    if isinstance(error, Exception):
        traceback.print_exception(error)
    raise ValueError(state.message or f"The flow ended as {state.name}.")


if __name__ == "__main__":
    main()
