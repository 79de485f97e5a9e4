"""`dwc study`: run what is missing of the studies, and write their tables and figures."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import yaml
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from dwc.evaluation.wording import value_text
from dwc.machine import machine
from dwc.studies.definition import Run, load_studies
from dwc.studies.plan import Plan, Versions
from dwc.studies.records import Facts, Records
from flows.process import ended_by_signal
from flows.revision import code_digest, commit, data_version, require_committed
from flows.server import prefect_server
from flows.study_workspace import PLACE, RunError, StudyWorkspace, experiment_name

DOCUMENTS = Path("docs/studies")
ALL = "all"


def show_studies(root: Path, console: Console) -> None:
    """Print every study with how many of its runs are recorded, and how many of them by the present code."""
    plan = _plan(root)
    table = Table(box=None, pad_edge=False)
    for heading, justify in (
        ("study", "left"),
        ("recorded", "right"),
        ("by this code", "right"),
        ("", "left"),
    ):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    for name in plan.names():
        runs = plan.runs([name])
        current = len(runs) - len(plan.missing([name]))
        recorded = f"{len(plan.shown([name]))}/{len(runs)}"
        table.add_row(name, recorded, str(current), plan.study(name).question)
    every, missing = plan.runs(plan.names()), plan.missing(plan.names())
    console.print(table)
    console.print(
        f"{len(plan.shown(plan.names()))} of {len(every)} runs are recorded (studies share them), "
        f"{len(every) - len(missing)} by the code as it is committed now. `dwc study NAME` or `dwc study "
        "all` runs the others.",
        highlight=False,
    )


def write_documents(root: Path, name: str, console: Console) -> None:
    """Make table and figure of a study (or of all that have a run) anew from the records."""
    plan = _plan(root)
    for each in _named(plan, name):
        if name != ALL or plan.shown([each]):
            console.print(str(plan.write(each, root / DOCUMENTS).relative_to(root)), highlight=False)


def run_study(root: Path, name: str, console: Console) -> int:
    """Run what is missing of a study (or of all), then write the documents.

    Returns how many runs failed; the others are recorded nevertheless, and a later call runs only what is
    missing. Raises ValueError where nothing can be run.
    """
    plan = _plan(root)
    missing = plan.missing(_named(plan, name))
    console.print(
        f"{len(plan.runs(_named(plan, name)))} runs, {len(missing)} of them to do.", highlight=False
    )
    failed = 0
    if missing:
        require_committed(root)
        with _alone(root), ended_by_signal(), prefect_server(root):
            failed = _run_all(root, plan, missing, console)
    write_documents(root, name, console)
    return failed


def _plan(root: Path) -> Plan:
    base = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
    versions = Versions(data=data_version(root), code=code_digest(root, commit(root)))
    return Plan(load_studies(root / "studies.yaml"), base, Records(root / DOCUMENTS), versions)


def _named(plan: Plan, name: str) -> list[str]:
    if name == ALL:
        return plan.names()
    plan.study(name)
    return [name]


def _run_all(root: Path, plan: Plan, missing: Sequence[Run], console: Console) -> int:
    """Run and record one after the other; returns how many failed."""
    revision = commit(root)
    workspace = StudyWorkspace(root, revision)
    facts = Facts(
        data=data_version(root),
        code=code_digest(root, revision),
        git=revision,
        date=date.today().isoformat(),
        machine=machine(),
    )
    console.print("Preparing data, CLIP and features, as far as they are not there yet.")
    with console.status("preparing"):
        try:
            workspace.prepare(plan.studies.setting.parameters)
        except RunError as failure:
            raise ValueError(f"The studies' data could not be prepared. {failure}") from failure
    failures: list[str] = []
    times = _Times(plan.records, facts.machine)
    with _bar(len(missing), console) as bar:
        for place, run in enumerate(missing):
            name = experiment_name(run)
            bar.show(name, times.left(len(missing) - place))
            started = time.monotonic()
            try:
                workspace.run(name, run)
            except RunError as failure:
                failures.append(f"{name}: {failure}")
                console.print(f"{name}  failed: {failure}", style="red", highlight=False, soft_wrap=True)
                continue
            finally:
                bar.advance()
            seconds = time.monotonic() - started
            times.add(seconds)
            metrics = workspace.metrics()
            plan.records.add(
                name, run, facts, metrics=metrics, rankings=workspace.rankings(), seconds=seconds
            )
            primary = metrics["primary_metric"]
            value = value_text(primary, metrics["systems"]["fused"]["mean"][primary]["value"])
            left = times.left(len(missing) - place - 1)
            console.print(
                f"{name}  {primary} {value}  {seconds:.0f} s  {left}", highlight=False, soft_wrap=True
            )
    return len(failures)


class _Times:
    """Time left, by the mean of the runs so far; before the first, of those recorded on this machine."""

    def __init__(self, records: Records, machine: str) -> None:
        runs = records.runs
        self._earlier = [float(s) for s in runs[runs["machine"] == machine].get("seconds", [])]
        self._seconds: list[float] = []

    def add(self, seconds: float) -> None:
        """Take note of a run's duration."""
        self._seconds.append(seconds)

    def left(self, runs: int) -> str:
        """What so many runs will take, in words; empty where nothing was measured yet."""
        known = self._seconds or self._earlier
        if not known or not runs:
            return ""
        return f"{timedelta(seconds=round(runs * sum(known) / len(known)))} left"


class _Bar:
    """A bar over the runs with the one that is running."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=total, left="")

    def show(self, name: str, left: str) -> None:
        """Name the run that begins, and the time left."""
        self._progress.update(self._task, description=name, left=left)

    def advance(self) -> None:
        """Count a run as over."""
        self._progress.advance(self._task)


@contextmanager
def _bar(total: int, console: Console) -> Iterator[_Bar]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield _Bar(progress, total)


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """One study at a time in a project. Raises ValueError where another one runs."""
    folder = root / PLACE
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(f"{folder}: another `dwc study` is running here. Wait for it to end.") from error
        yield
