"""Data revisions brought into a real workspace by the real git and DVC, from a remote of its own."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from prefect import flow

from dwc.registry.lineage import data_revision
from flows import command
from flows.command import run_command
from flows.data import switch_data
from flows.process import free_port
from tests.flows.toy import Toy, make_toy


def dvc(toy: Toy, *arguments: str) -> None:
    subprocess.run(["dvc", *arguments], cwd=toy.root, check=True, capture_output=True)


@pytest.fixture
def toy(tmp_path: Path, prefect_api: str, monkeypatch: pytest.MonkeyPatch) -> Toy:
    """The data are `a` at the tag `old` and `b` now; the remote has both, DVC's cache only `b`."""
    toy = make_toy(tmp_path / "toy")
    dvc(toy, "remote", "add", "--force", "--default", "fixture", str(tmp_path / "remote"))
    dvc(toy, "push", "--quiet")
    toy.git("commit", "--quiet", "--all", "--message", "remote")
    toy.git("tag", "old")
    (toy.root / "data/a.txt").write_text("b")
    dvc(toy, "add", "--quiet", "data")
    dvc(toy, "push", "--quiet")
    toy.git("commit", "--quiet", "--all", "--message", "new data")
    dvc(toy, "gc", "--workspace", "--force", "--quiet")
    monkeypatch.chdir(toy.root)
    return toy


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "read_remote", command.read_remote.with_options(retry_delay_seconds=[0, 0]))


@flow
def switch(root: Path, revision: str) -> None:
    switch_data(root, revision)


def state(toy: Toy) -> dict[str, str]:
    files = [toy.root / "data.dvc", toy.root / "params.yaml", *sorted((toy.root / "data").rglob("*"))]
    return {str(file): file.read_text() for file in files}


def test_a_commits_data_are_fetched_and_brought_back(toy: Toy) -> None:
    new = data_revision(toy.root)
    switch(toy.root, "old")
    assert (toy.root / "data/a.txt").read_text() == "a"
    assert toy.git("diff", "--stat", "old", "--", "data.dvc") == ""
    switch(toy.root, new)
    assert (toy.root / "data/a.txt").read_text() == "b"
    assert data_revision(toy.root) == new
    status = subprocess.run(["dvc", "status", "data.dvc"], cwd=toy.root, capture_output=True, text=True)
    assert "up to date" in status.stdout


@pytest.mark.parametrize("revision", ["never", "--all", "f" * 32 + ".dir"])
def test_an_unknown_revision_is_named_and_changes_nothing(toy: Toy, revision: str) -> None:
    before = state(toy)
    with pytest.raises(ValueError, match=f"data revision `{revision}`: "):
        switch(toy.root, revision)
    assert state(toy) == before


def test_data_that_the_remote_has_lost_leave_the_workspace_as_it_was(toy: Toy, tmp_path: Path) -> None:
    before = state(toy)
    shutil.rmtree(tmp_path / "remote/files")
    with pytest.raises(ValueError, match="data revision `old`: "):
        switch(toy.root, "old")
    assert state(toy) == before


def test_files_that_are_in_no_revision_are_not_lost(toy: Toy) -> None:
    (toy.root / "data/mine.txt").write_text("work of a week")
    (toy.root / "data/a.txt").write_text("edited")
    before = state(toy)
    with pytest.raises(ValueError, match="unsaved files without confirmation"):
        switch(toy.root, "old")
    assert state(toy) == before


def test_a_remote_that_is_away_for_a_moment_is_asked_again(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is served over HTTP, but only once it has been asked in vain."""
    port, tried = free_port(0), list[bool]()
    dvc(toy, "remote", "add", "--force", "--local", "--default", "fixture", f"http://127.0.0.1:{port}")
    with ExitStack() as stack:

        def run(words: Sequence[str], environment: Mapping[str, str] | None = None) -> tuple[int, list[str]]:
            status, lines = run_command(words, environment)
            if not tried:
                stack.enter_context(served(tmp_path / "remote", port))
            tried.append(status == 0)
            return status, lines

        monkeypatch.setattr(command, "run_command", run)
        switch(toy.root, "old")
    assert len(tried) == 2
    assert (toy.root / "data/a.txt").read_text() == "a"


def test_a_remote_that_stays_away_is_a_failure_that_says_so(toy: Toy) -> None:
    before = state(toy)
    address = f"http://127.0.0.1:{free_port(0)}"
    dvc(toy, "remote", "add", "--force", "--local", "--default", "fixture", address)
    with pytest.raises(ValueError, match="data revision `old`: fetch data: WARNING: Some of the cache files"):
        switch(toy.root, "old")
    assert state(toy) == before


@contextmanager
def served(folder: Path, port: int) -> Iterator[None]:
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()
