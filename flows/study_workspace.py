"""The workspace of studies: a clone of the project in which DVC experiments run one after the other.

Its stages' outputs stay between experiments, so that an experiment does only what its parameters change, and
an interrupted training goes on. It shares DVC's cache with the project, and every finished experiment becomes
one of the project. Why not DVC's queue: docs/decisions/016-studies.md.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import pandas as pd

from dwc.git import git
from dwc.parameters import change_parameters
from dwc.registry.store import ADDRESS, store_address
from dwc.studies.definition import Changes, Run
from flows.process import run_lines, without_flow_run

PLACE = Path("build/studies")
_LOCK = "dvc.lock"


class RunError(Exception):
    """An experiment that did not come to its end; the message says why and where its log lies."""


class StudyWorkspace:
    """The clone in build/studies/workspace, at one commit of the project."""

    def __init__(self, root: Path, revision: str) -> None:
        self._root = root
        self._revision = revision
        self.folder = root / PLACE / "workspace"

    def prepare(self, setting: Changes) -> None:
        """Bring clone, data, and all stages before the training up to date with the studies' setting.

        Raises RunError.
        """
        self._clone()
        self._share_cache()
        self._dvc("data", "pull", "--quiet", "data.dvc")
        self._set_parameters(setting)
        self._dvc("preparation", "repro", "embed")

    def run(self, name: str, run: Run) -> None:
        """Run an experiment of the name and hand it to the project. Raises RunError."""
        for old in self._references(name):
            git(self.folder, "update-ref", "-d", old)
        self._set_parameters(run.changes)
        self._dvc(name, "exp", "run", "--name", name)
        for made in self._references(name):
            git(self._root, "fetch", "--quiet", str(self.folder), f"+{made}:{made}")

    def metrics(self) -> dict[str, Any]:
        """All metrics of the last experiment."""
        found: dict[str, Any] = json.loads((self.folder / "build/evaluation/metrics.json").read_text())
        return found

    def rankings(self) -> pd.DataFrame:
        """Rank of every query's target in the last experiment."""
        columns = ["triplet_id", "category", "system", "rank"]
        return pd.read_parquet(self.folder / "build/evaluation/rankings.parquet", columns=columns)

    def _clone(self) -> None:
        """Bring the clone to the commit; what DVC last did there stays known, tracked by git or not."""
        if not (self.folder / ".git").is_dir():
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            git(self._root, "clone", "--quiet", "--no-checkout", str(self._root), str(self.folder))
        with self._keeping_lock():
            git(self.folder, "fetch", "--quiet", str(self._root), "HEAD")
            git(self.folder, "checkout", "--quiet", "--force", "--detach", self._revision)
        for key in ("user.name", "user.email"):
            git(self.folder, "config", key, git(self._root, "config", "--default", "dwc", key))

    @contextmanager
    def _keeping_lock(self) -> Iterator[None]:
        lock = self.folder / _LOCK
        known = lock.read_bytes() if lock.is_file() else None
        yield
        if known is not None:
            lock.write_bytes(known)

    def _share_cache(self) -> None:
        own = self._root / ".dvc/config.local"
        if own.is_file():
            shutil.copyfile(own, self.folder / ".dvc/config.local")
        lines: list[str] = []
        run_lines(
            [sys.executable, "-m", "dvc", "cache", "dir"],
            folder=self._root,
            environment=without_flow_run(),
            line=lines.append,
        )
        self._dvc("cache", "cache", "dir", "--local", lines[-1])

    def _set_parameters(self, changes: Changes) -> None:
        """params.yaml of the commit with the changes; what an interrupted experiment staged is unstaged."""
        git(self.folder, "reset", "--quiet")
        git(self.folder, "checkout", "--quiet", "--", "params.yaml")
        overrides = [f"{key}={json.dumps(value)}" for key, value in changes.items()]
        change_parameters(self.folder / "params.yaml", None, overrides)

    def _references(self, name: str) -> list[str]:
        """Git references of the clone's experiments of a name."""
        return git(self.folder, "for-each-ref", "--format=%(refname)", f"refs/exps/*/*/{name}").split()

    def _dvc(self, log: str, *arguments: str) -> None:
        """Run DVC in the clone, its output in a log. Raises RunError with the reason that it gives."""
        file = self._root / PLACE / "logs" / f"{log}.log"
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w", encoding="utf-8") as output:
            status = run_lines(
                [sys.executable, "-m", "dvc", *arguments],
                folder=self.folder,
                environment=self._environment(),
                line=lambda text: _write(output, text),
            )
        if status:
            raise RunError(f"{_reason(file)} (log: {file.relative_to(self._root)})")

    def _environment(self) -> Mapping[str, str]:
        return {
            **without_flow_run(),
            ADDRESS: store_address(None, self._root),
            "PYTHONUNBUFFERED": "1",
        }


def experiment_name(run: Run) -> str:
    """Name of a run's experiment: what it changes, its seed, and a piece of its digest to be unique."""
    changed = "-".join(f"{key.rpartition('.')[2]}-{value}" for key, value in run.own.items()) or "default"
    return f"{re.sub(r'[^A-Za-z0-9._-]+', '-', changed)}-seed{run.seed}-{run.parameters[:6]}"


def _write(output: TextIO, text: str) -> None:
    output.write(f"{text}\n")
    output.flush()


def _reason(log: Path) -> str:
    """What the program said was wrong, else DVC's complaint, else the last line."""
    lines = [line for line in log.read_text(encoding="utf-8").splitlines() if line.strip()]
    for beginning in ("Error:", "ERROR:"):
        if said := [line for line in lines if line.startswith(beginning)]:
            return said[0]
    return lines[-1] if lines else "it said nothing"
