"""dvc.yaml's graph, in the order in which `dvc repro` walks it."""

from __future__ import annotations

from pathlib import Path

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.repo.reproduce import plan_repro


def stage_order(root: Path, last: str | None = None) -> list[str]:
    """Names of all stages and data files, each after what it needs; with `last`, only it and what it needs.

    Raises ValueError where dvc.yaml cannot be read.
    """
    try:
        with Repo(str(root)) as repo:
            stages = list(repo.stage.collect(last)) if last else None
            return [stage.addressing for stage in plan_repro(repo.index.graph, stages)]
    except DvcException as error:
        raise ValueError(f"dvc.yaml: {error}") from error
