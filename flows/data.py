"""Data revisions: which one a run is to be on, and DVC bringing it into the workspace."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from dvc.repo import Repo

from dwc.files import write_text
from dwc.git import git
from dwc.registry.lineage import data_revision
from flows.command import DVC, complaint, require_read, run_command

FILE = Path("data.dvc")
_MD5 = re.compile(r"([0-9a-f]{32})(?:\.dir)?")


@contextmanager
def put_back_on_failure(*files: Path) -> Iterator[None]:
    """Give files their content again where the block fails."""
    before = {file: file.read_text(encoding="utf-8") for file in files if file.is_file()}
    try:
        yield
    except BaseException:
        for file, text in before.items():
            if not file.is_file() or file.read_text(encoding="utf-8") != text:
                write_text(file, text)
        raise


def switch_data(root: Path, revision: str) -> None:
    """Bring the data of a revision into the workspace: data.dvc, and the files that it stands for.

    revision: what git can name (a commit, tag or branch, whose data.dvc counts), or the md5 in a data.dvc.
    Raises ValueError, leaving everything as it was, where there is no such revision, DVC cannot get its
    files, or files of the workspace would be lost.
    """
    text = recorded_data(root, revision)
    with put_back_on_failure(root / FILE):
        if named_md5(text) != data_revision(root):
            write_text(root / FILE, text)
        try:
            pull_data(root)
        except ValueError as error:
            raise ValueError(f"data revision `{revision}`: {error}") from error


def pull_data(root: Path) -> None:
    """Bring the files that data.dvc stands for into the workspace, from DVC's remote where need be.

    Raises ValueError where they cannot be had, or files of the workspace would be lost.
    """
    # To `dvc fetch` it is a success if the remote lacks files or does not answer, and `dvc checkout` would
    # take the workspace's files away before it says that others are missing.
    require_read("fetch data", [*DVC, "fetch", str(FILE)], arrived=partial(_is_cached, root))
    status, lines = run_command([*DVC, "checkout", str(FILE)])
    if status:
        raise ValueError(complaint(lines))


def _is_cached(root: Path) -> bool:
    """Whether DVC's cache has every file that data.dvc stands for."""
    with Repo(str(root)) as repo:
        return not any(
            output.changed_cache() for stage in repo.stage.collect(str(FILE)) for output in stage.outs
        )


def update_data(root: Path) -> None:
    """Bring imported data up to date with their source. Raises ValueError if that fails."""
    with put_back_on_failure(root / FILE):
        require_read("update data", [*DVC, "update", str(FILE)])


def is_imported(root: Path) -> bool:
    """Whether data.dvc names a source that DVC imported the data from."""
    return "deps" in _content(root)


def recorded_data(root: Path, revision: str) -> str:
    """Content of data.dvc at a revision. Raises ValueError where there is none."""
    if found := _MD5.fullmatch(revision):
        output = {"md5": f"{found[1]}.dir", "hash": "md5", "path": _content(root)["outs"][0]["path"]}
        return str(yaml.safe_dump({"outs": [output]}, sort_keys=False))
    try:
        blob = git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}:{FILE}")
        return git(root, "cat-file", "blob", blob) + "\n"
    except ValueError as error:
        raise ValueError(
            f"data revision `{revision}`: git knows no {FILE} there. Name a commit, tag or branch, or the "
            f"md5 that a {FILE} names."
        ) from error


def named_md5(text: str) -> str:
    """The md5 in the content of a data.dvc."""
    return str(yaml.safe_load(text)["outs"][0]["md5"])


def _content(root: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((root / FILE).read_text(encoding="utf-8"))
    return content
