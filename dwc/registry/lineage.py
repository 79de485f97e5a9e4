"""What a run was made from: code, data, pipeline state and the run of the flow that made it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import yaml

from dwc.git import GitError, git

UNKNOWN = "unknown"
RESTORABLE = ("params.yaml", "data.dvc")
"""Files whose content every run keeps: a version is restored although they differ from the commit."""
STATE = "state"
"""The artifact folder they are kept in."""
NONE = "none"
PREFIX = "dwc."
_GIT_SECONDS = 10.0
_MOST_FILES = 20
_WRITTEN_BY_THE_PIPELINE = ("dvc.lock", "metrics")


def collect_lineage(root: Path, *, flow_run_id: str | None = None) -> dict[str, str]:
    """Where the code and data of the project in `root` stand now.

    git_sha; git_dirty (`true` where files differ from the commit, those that the pipeline itself writes
    aside); git_changes (which files, one in a line); data (md5 in data.dvc); dvc_lock (md5 of the file);
    dvc_experiment; flow_run. What cannot be found out, such as the commit outside a git repository, is
    `unknown`; what does not apply is `none`.
    """
    return {
        **_git_state(root),
        "data": data_revision(root),
        "dvc_lock": _file_md5(root / "dvc.lock"),
        "dvc_experiment": os.environ.get("DVC_EXP_NAME") or NONE,
        "flow_run": flow_run_id or NONE,
    }


def data_revision(root: Path) -> str:
    """The md5 that data.dvc names, `unknown` where there is none."""
    return _tracked_md5(root / "data.dvc")


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
        return {"git_sha": UNKNOWN, "git_dirty": UNKNOWN, "git_changes": UNKNOWN}
    others = [f":(exclude){path}" for path in _WRITTEN_BY_THE_PIPELINE]
    changes = _git(root, "--no-optional-locks", "status", "--porcelain", "--", ".", *others)
    if changes is None:
        return {"git_sha": sha, "git_dirty": UNKNOWN, "git_changes": UNKNOWN}
    return {"git_sha": sha, "git_dirty": str(bool(changes)).lower(), "git_changes": _changed_files(changes)}


def _changed_files(status: str) -> str:
    """Names out of `git status --porcelain`, as many as a tag holds."""
    # `strip` has taken the first line's leading blank; a renamed file stands as `old -> new`.
    names = [line.strip().split(maxsplit=1)[1] for line in status.splitlines()]
    more = [f"and {len(names) - _MOST_FILES} more"] if len(names) > _MOST_FILES else []
    return "\n".join([*names[:_MOST_FILES], *more]) or NONE


def require_current_build(root: Path, data: Path) -> None:
    """Refuse to measure on a store that was not built from the data revision that data.dvc names.

    data: folder of the raw data, as params.yaml names it. Raises ValueError where no revision is recorded,
    or dvc.lock says that the store is of another.
    """
    revision = data_revision(root)
    if revision == UNKNOWN:
        raise ValueError(
            f"{root / 'data.dvc'} names no data revision, so nobody could say later what was measured on. "
            "Version the data with `dvc add data`."
        )
    built = _built_from(root / "dvc.lock", "preprocess", data.as_posix())
    if built != revision:
        raise ValueError(
            f"build/store was made from data revision {built}, data.dvc names {revision}. Bring the pipeline "
            "up to date with `dvc repro`."
        )


def _built_from(lock: Path, stage: str, dependency: str) -> str:
    """The md5 that dvc.lock names for a stage's dependency."""
    try:
        dependencies = yaml.safe_load(lock.read_text(encoding="utf-8"))["stages"][stage]["deps"]
        return str(next(entry["md5"] for entry in dependencies if entry["path"] == dependency))
    except (OSError, yaml.YAMLError, LookupError, TypeError, StopIteration):
        return UNKNOWN


def _git(root: Path, *arguments: str) -> str | None:
    """Output of a git command; None where there is no git, no repository or no answer in time."""
    try:
        return git(root, *arguments, seconds=_GIT_SECONDS)
    except GitError:
        return None


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
