"""dvc.yaml's graph, in the order in which `dvc repro` walks it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.repo.reproduce import plan_repro
from dvc_objects.fs.system import reflink


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


def out_of_date(root: Path) -> set[str]:
    """Names of the stages that `dvc repro` would run: those that have changed, and all that need them.

    DVC may find that what a stage needs came out as it was, or that it has run before, and skip it. Raises
    ValueError where dvc.yaml cannot be read.
    """
    try:
        with Repo(str(root)) as repo:
            changed = set(repo.status())
            graph = repo.index.graph
            found = [stage for stage in graph if stage.addressing in changed]
            for stage in found:  # which grows meanwhile
                found += [other for other in graph.predecessors(stage) if other not in found]
            return {stage.addressing for stage in found if stage.cmd}
    except DvcException as error:
        raise ValueError(f"dvc.yaml: {error}") from error


def cache_copies(root: Path) -> bool:
    """Whether DVC's cache holds copies of its own of outputs, which then take their room twice."""
    with Repo(str(root)) as repo:
        kinds = repo.config["cache"].get("type") or ["reflink", "copy"]
    if kinds[0] != "reflink":
        return bool(kinds[0] == "copy")
    with tempfile.TemporaryDirectory(dir=root) as folder:
        (Path(folder) / "a").write_text("a", encoding="utf-8")
        try:
            reflink(f"{folder}/a", f"{folder}/b")  # type: ignore[no-untyped-call]
        except OSError:  # this file system cannot do it
            return "copy" in kinds[1:2]
    return False
