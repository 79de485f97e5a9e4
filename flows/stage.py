"""What all stages have in common: parameters, a tracked run, steps, progress, artifacts, the run record."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import pandas as pd
from prefect import State, task
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Failed
from rich.console import Console

from dwc.config import Params, load_params
from dwc.files import disk_is_full, write_text
from dwc.registry import tracking
from dwc.registry.lineage import RESTORABLE, STATE, collect_lineage
from dwc.registry.pages import run_page
from dwc.registry.params import flatten
from dwc.registry.run import StageRun
from flows.progress import StepProgress

STAGES = ("validate", "preprocess", "embed", "train", "evaluate")
BUILD = Path("build")
METRICS = Path("metrics")
PARAMS = Path("params.yaml")

P = ParamSpec("P")
R = TypeVar("R")


@dataclass
class Stage:
    """One stage while it runs: its parameters and tracked run, and what it tells people."""

    name: str
    params: Params
    run: StageRun
    console: Console
    record: dict[str, str]
    lineage: Mapping[str, str]
    _open: ExitStack = field(default_factory=ExitStack)

    def step(self, name: str, work: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Do a part of the stage as a Prefect task of the given name, and return its result."""
        problems: list[ValueError] = []

        @task(name=name, cache_policy=NO_CACHE, persist_result=False)
        def body() -> R | State[R]:
            try:
                return work(*args, **kwargs)
            except Exception as error:
                problems.append(users_to_mend(error))
                return Failed(message=str(problems[0]))

        started = time.monotonic()
        state = body(return_state=True)
        if problems:
            raise problems[0]
        result = cast(R, state.result())
        self.console.print(f"  {name}  [dim]{time.monotonic() - started:.1f} s[/dim]", highlight=False)
        return result

    def progress(self, description: str) -> StepProgress:
        """Progress callback of a step, shown in the terminal and in Prefect."""
        progress = StepProgress(_key(self.name, description), description, self.console)
        self._open.callback(progress.close)
        return progress

    def summary(self, markdown: str) -> None:
        """Show a text on the flow run's page and keep it with the tracked run."""
        create_markdown_artifact(markdown, key=_key(self.name, "summary"))
        self.run.log_text(markdown, "summary.md")

    def log_dataset(self, name: str, frame: pd.DataFrame) -> None:
        """Name a table that the stage learnt from or measured on as an input of the tracked run."""
        source = str(self.params.data.root)
        self.run.log_dataset(name, digest=self.lineage["data"], source=source, rows=len(frame), frame=frame)

    def table(self, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Show a table on the flow run's page."""
        create_table_artifact([dict(row) for row in rows], key=_key(self.name, title), description=title)


def stage(*sections: str) -> Callable[[Callable[[Stage], None]], Callable[[], State[Any] | None]]:
    """Give a function its Stage: a flow without arguments that reads the named sections of params.yaml.

    A ValueError inside ends the flow as Failed with the error's message, and so does a full disk. The run
    record (build/runs/<stage>.json) is written when everything else is done.
    """

    def decorate(work: Callable[[Stage], None]) -> Callable[[], State[Any] | None]:
        def body() -> State[Any] | None:
            try:
                _run(work, sections)
            except Exception as error:
                message = str(users_to_mend(error))
                get_run_logger().debug("Where it was found:", exc_info=True)
                return Failed(message=message)
            return None

        # Not functools.wraps: Prefect would follow it to the signature of `work`, and ask for a Stage.
        body.__name__, body.__doc__, body.__module__ = work.__name__, work.__doc__, work.__module__
        return body

    return decorate


def users_to_mend(error: Exception) -> ValueError:
    """The error as a message to the user, where a stack trace would only hide it; others are raised again."""
    if isinstance(error, ValueError):
        return error
    if disk_is_full(error):
        return ValueError(f"The disk is full: {error}. Make room and run it again; it goes on where it was.")
    raise error


def _run(work: Callable[[Stage], None], sections: Sequence[str]) -> None:
    name = work.__name__
    params = load_params(PARAMS)
    root = Path.cwd()
    tracking.configure(None, root)
    earlier = STAGES[: STAGES.index(name)]
    tags = collect_lineage(root, flow_run_id=str(flow_run.id))
    upstream = {other: run_id for other in earlier if (run_id := read_record(other).get("run_id"))}
    with (
        tracking.stage_run(
            name,
            experiment=params.data.name,
            params=chosen(params, sections),
            tags=tags,
            upstream=upstream,
        ) as run,
        ExitStack() as stack,
    ):
        if page := run_page(run.id):
            create_link_artifact(page, "MLflow", key=_key(name, "mlflow"), description=f"[MLflow]({page})")
        for file in RESTORABLE:
            if Path(file).is_file():
                run.log_artifact(Path(file), STATE)
        current = Stage(name, params, run, Console(), {"run_id": run.id}, tags, stack)
        work(current)
        write_text(record_file(name), json.dumps(current.record, indent=2) + "\n")


def record_file(name: str) -> Path:
    """File that names the tracked run (and model version) of the stage's last success."""
    return BUILD / "runs" / f"{name}.json"


def read_record(name: str) -> dict[str, str]:
    """Content of a stage's run record; empty where the stage has not run."""
    file = record_file(name)
    record: dict[str, str] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return record


def chosen(params: Params, sections: Sequence[str]) -> dict[str, str]:
    """The parameters of the named sections (or single keys), as `section.key` -> text."""
    every = flatten(params.model_dump(mode="json", by_alias=True))
    return {
        key: value
        for key, value in every.items()
        if any(f"{key}.".startswith(f"{name}.") for name in sections)
    }


def _key(*words: str) -> str:
    """Prefect's artifact keys: small letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(words).lower()).strip("-")
