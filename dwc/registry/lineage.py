"""What a run was made from: code, data, pipeline state and the run of the flow that made it."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import yaml

UNKNOWN = "unknown"
NONE = "none"
PREFIX = "dwc."
_GIT_SECONDS = 10.0
_WRITTEN_BY_THE_PIPELINE = ("dvc.lock", "metrics")


def collect_lineage(root: Path, *, flow_run_id: str | None = None) -> dict[str, str]:
    """Where the code and data of the project in `root` stand now.

    git_sha; git_dirty (`true` where files differ from the commit, those that the pipeline itself writes
    aside); data (md5 in data.dvc); dvc_lock (md5 of the file); dvc_experiment; flow_run. What cannot be found
    out, such as the commit outside a git repository, is `unknown`; what does not apply is `none`.
    """
    return {
        **_git_state(root),
        "data": _tracked_md5(root / "data.dvc"),
        "dvc_lock": _file_md5(root / "dvc.lock"),
        "dvc_experiment": os.environ.get("DVC_EXP_NAME") or NONE,
        "flow_run": flow_run_id or NONE,
    }


def as_tags(lineage: Mapping[str, str]) -> dict[str, str]:
    """The same as tags of a run or model version, in this project's name space."""
    return {key if key.startswith(PREFIX) else f"{PREFIX}{key}": value for key, value in lineage.items()}


def _git_state(root: Path) -> dict[str, str]:
    # A folder unpacked somewhere inside another repository is not that repository's code.
    top = _git(root, "rev-parse", "--show-toplevel")
    sha = (
        _git(root, "rev-parse", "--verify", "HEAD") if top and Path(top).resolve() == root.resolve() else None
    )
    if not sha:
        return {"git_sha": UNKNOWN, "git_dirty": UNKNOWN}
    others = [f":(exclude){path}" for path in _WRITTEN_BY_THE_PIPELINE]
    changes = _git(root, "--no-optional-locks", "status", "--porcelain", "--", ".", *others)
    dirty = UNKNOWN if changes is None else str(bool(changes)).lower()
    return {"git_sha": sha, "git_dirty": dirty}


def _git(root: Path, *arguments: str) -> str | None:
    """Output of a git command; None where there is no git, no repository or no answer in time."""
    command = ["git", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_GIT_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _tracked_md5(file: Path) -> str:
    """The md5 that a .dvc file names."""
    try:
        outputs = yaml.safe_load(file.read_text(encoding="utf-8"))["outs"]
        return str(outputs[0]["md5"])
    except (OSError, yaml.YAMLError, LookupError, TypeError):
        return UNKNOWN


def _file_md5(file: Path) -> str:
    """The md5 of a file's content, as DVC would name it."""
    try:
        return hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()
    except OSError:
        return UNKNOWN
