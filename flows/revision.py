"""The project's commit, and what of it decides a study's result."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from dwc.git import git
from dwc.registry.lineage import UNKNOWN, data_revision

_NEEDED = ("dwc", "flows", "presets", "params.yaml", "dvc.yaml", "data.dvc")
_NO_PART = ("dwc/serving/package.py", "dwc/html.py", "dwc/templates", "flows/challenger.py")
"""What stages depend on for packages and reports, which no measured value comes from."""


def commit(root: Path) -> str:
    """The commit that the project stands at. Raises ValueError outside a git repository."""
    try:
        return git(root, "rev-parse", "--verify", "HEAD")
    except ValueError as error:
        raise ValueError(f"{root}: studies are made from a commit, and this is none ({error}).") from error


def require_committed(root: Path) -> None:
    """Raise ValueError naming files of the pipeline that differ from the commit."""
    changed = git(root, "status", "--porcelain", "--", *_NEEDED)
    if changed:
        raise ValueError(
            f"Studies are made from a commit, but these differ from it:\n{changed}\nCommit them, or put them "
            "aside with `git stash --include-untracked`."
        )


def code_digest(root: Path, revision: str) -> str:
    """Digest of the committed code that the stages of dvc.yaml depend on and that decides their results."""
    graph: dict[str, Any] = yaml.safe_load(git(root, "show", f"{revision}:dvc.yaml"))
    wanted = sorted({path for stage in graph["stages"].values() for path in _code(stage["deps"])})
    listed = git(root, "ls-tree", revision, "--", *wanted)
    return hashlib.sha256(listed.encode()).hexdigest()[:12]


def _code(paths: Sequence[str]) -> list[str]:
    return [path for path in paths if not path.startswith(("build/", "${")) and path not in _NO_PART]


def data_version(root: Path) -> str:
    """The md5 of the data in data.dvc. Raises ValueError where the file does not say it."""
    revision = data_revision(root)
    if revision == UNKNOWN:
        raise ValueError(f"{root / 'data.dvc'}: it names no data. Track them by `dvc add data`.")
    return revision
