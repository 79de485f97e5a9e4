"""Refreshing: newer data from a real git and DVC remote, run where there are any, and the gate's word."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from dwc.registry.lineage import data_revision
from flows.refresh import NOTHING_NEW, refresh
from tests.flows.toy import Toy, make_toy

STAGES = ["embed", "train", "evaluate"]


def dvc(folder: Path, *arguments: str) -> None:
    subprocess.run(["dvc", *arguments], cwd=folder, check=True, capture_output=True)


class Upstream:
    """Where somebody else works: a clone that pushes newer data to the git and DVC remotes of the toy."""

    def __init__(self, toy: Toy, folder: Path) -> None:
        self.folder = folder
        toy.git("clone", "--quiet", "--bare", str(toy.root), str(folder / "origin.git"))
        toy.git("remote", "add", "origin", str(folder / "origin.git"))
        toy.git("clone", "--quiet", str(folder / "origin.git"), str(folder / "clone"))
        dvc(folder / "clone", "pull", "--quiet", "data.dvc")

    def publish(self, text: str) -> str:
        """Push data with this text; returns their md5."""
        clone = self.folder / "clone"
        (clone / "data/a.txt").write_text(text)
        dvc(clone, "add", "--quiet", "data")
        dvc(clone, "push", "--quiet")
        for command in (["commit", "--quiet", "--all", "--message", text], ["push", "--quiet"]):
            subprocess.run(["git", *command], cwd=clone, check=True)
        return data_revision(clone)


@pytest.fixture
def toy(tmp_path: Path, prefect_api: str, monkeypatch: pytest.MonkeyPatch) -> Toy:
    toy = make_toy(tmp_path / "toy")
    dvc(toy.root, "remote", "add", "--force", "--default", "fixture", str(tmp_path / "remote"))
    dvc(toy.root, "push", "--quiet")
    toy.git("commit", "--quiet", "--all", "--message", "remote")
    monkeypatch.chdir(toy.root)
    monkeypatch.setenv("TOY", str(toy.root))
    return toy


def stages_run(toy: Toy) -> list[str]:
    return [line.split()[0] for line in toy.ran()]


def test_newer_data_are_run_once_and_then_nothing_is_new(toy: Toy, tmp_path: Path) -> None:
    upstream = Upstream(toy, tmp_path)
    branch = f"origin/{toy.git('branch', '--show-current').strip()}"
    ask = {"data_revision": branch, "promote": False, "return_state": True}

    first = refresh(**ask)
    assert first.name == "Completed", first
    assert stages_run(toy) == STAGES

    again = refresh(**ask)
    assert again.name == NOTHING_NEW and data_revision(toy.root) in str(again.message)
    assert stages_run(toy) == STAGES

    newer = upstream.publish("more")
    third = refresh(**ask)
    assert third.name == "Completed", third
    assert (data_revision(toy.root), (toy.root / "data/a.txt").read_text()) == (newer, "more")
    assert stages_run(toy) == [
        *STAGES,
        "embed",
        "train",
    ]  # the toy's model does not depend on the data: same model, same results
    assert refresh(**ask).name == NOTHING_NEW


def test_imported_data_are_updated_from_their_source(toy: Toy, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.txt").write_text("one")
    dvc(toy.root, "remove", "data.dvc")
    (toy.root / "data/a.txt").unlink()
    (toy.root / "data").rmdir()
    dvc(toy.root, "import-url", "--quiet", str(source), "data")

    assert refresh(promote=False, return_state=True).name == "Completed"
    assert refresh(promote=False, return_state=True).name == NOTHING_NEW
    (source / "a.txt").write_text("two")
    assert refresh(promote=False, return_state=True).name == "Completed"
    assert (toy.root / "build/features/clip.txt").read_text() == "two"
    assert stages_run(toy) == [*STAGES, "embed", "train"]


def test_a_branch_that_is_not_there_fails_and_changes_nothing(toy: Toy) -> None:
    before = (toy.root / "data.dvc").read_text()
    state = refresh(data_revision="origin/none", return_state=True)
    assert state.is_failed() and "origin/none" in str(state.message)
    assert (toy.root / "data.dvc").read_text() == before and toy.ran() == []
