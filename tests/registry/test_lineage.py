"""Lineage of real repositories, and of folders that are none."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest
import yaml

from dwc.registry.lineage import as_tags, collect_lineage, require_current_build


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A committed project with data and a lock file."""
    monkeypatch.delenv("DVC_EXP_NAME", raising=False)
    root = tmp_path / "project"
    (root / "metrics").mkdir(parents=True)
    (root / "code.py").write_text("x = 1\n")
    (root / "data.dvc").write_text("outs:\n- md5: 0123456789abcdef0123456789abcdef.dir\n  path: data\n")
    (root / "dvc.lock").write_text("schema: '2.0'\n")
    (root / "metrics" / "evaluate.json").write_text("{}\n")
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "start")
    return root


def test_a_clean_project(project: Path) -> None:
    assert collect_lineage(project, flow_run_id="a-flow") == {
        "git_sha": git(project, "rev-parse", "HEAD"),
        "git_dirty": "false",
        "git_changes": "none",
        "data": "0123456789abcdef0123456789abcdef.dir",
        "dvc_lock": hashlib.md5(b"schema: '2.0'\n").hexdigest(),
        "dvc_experiment": "none",
        "flow_run": "a-flow",
    }


@pytest.mark.parametrize(
    ("file", "dirty"),
    [("code.py", "true"), ("new.py", "true"), ("dvc.lock", "false"), ("metrics/evaluate.json", "false")],
)
def test_dirty_is_what_people_changed(project: Path, file: str, dirty: str) -> None:
    (project / file).write_text("changed\n")
    assert collect_lineage(project)["git_dirty"] == dirty


def test_the_changed_files_are_named(project: Path) -> None:
    (project / "code.py").write_text("x = 2\n")
    (project / "a new.py").touch()
    (project / "dvc.lock").write_text("changed\n")
    assert collect_lineage(project)["git_changes"].splitlines() == ["code.py", '"a new.py"']


def test_many_changed_files_are_counted(project: Path) -> None:
    for number in range(25):
        (project / f"new-{number:02}.py").touch()
    files = collect_lineage(project)["git_changes"].splitlines()
    assert files[0] == "new-00.py" and files[-1] == "and 5 more" and len(files) == 21


@pytest.mark.parametrize(
    ("lock", "problem"),
    [
        ("0123456789abcdef0123456789abcdef.dir", None),
        ("ffffffffffffffffffffffffffffffff.dir", "made from data revision ffff"),
        (None, "made from data revision unknown"),
    ],
)
def test_the_build_must_be_of_the_current_data(project: Path, lock: str | None, problem: str | None) -> None:
    stages = {"preprocess": {"deps": [{"path": "data", "md5": lock}]}} if lock else {}
    (project / "dvc.lock").write_text(yaml.safe_dump({"stages": stages}))
    if problem is None:
        require_current_build(project, Path("data"))
        return
    with pytest.raises(ValueError, match=problem):
        require_current_build(project, Path("data"))


def test_data_without_a_revision_are_refused(project: Path) -> None:
    (project / "data.dvc").unlink()
    with pytest.raises(ValueError, match="Version the data with `dvc add data`"):
        require_current_build(project, Path("data"))


def test_the_experiment_is_dvcs(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_EXP_NAME", "warm-hall")
    assert collect_lineage(project)["dvc_experiment"] == "warm-hall"


def test_a_folder_without_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.delenv("DVC_EXP_NAME", raising=False)
    assert collect_lineage(tmp_path) == {
        "git_sha": "unknown",
        "git_dirty": "unknown",
        "git_changes": "unknown",
        "data": "unknown",
        "dvc_lock": "unknown",
        "dvc_experiment": "none",
        "flow_run": "none",
    }


def test_a_tarball_unpacked_in_another_repository_is_not_its_code(project: Path) -> None:
    inner = project / "unpacked"
    inner.mkdir()
    assert collect_lineage(inner)["git_sha"] == "unknown"


def test_a_repository_without_commits(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    assert collect_lineage(tmp_path)["git_sha"] == "unknown"


def test_without_git(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert collect_lineage(project)["git_sha"] == "unknown"


@pytest.mark.parametrize("content", ["", "outs: []\n", "outs:\n- path: data\n", "outs: [\n", "- a\n"])
def test_a_strange_data_file(project: Path, content: str) -> None:
    (project / "data.dvc").write_text(content)
    assert collect_lineage(project)["data"] == "unknown"


def test_tags_have_a_prefix_once() -> None:
    assert as_tags({"data": "a", "dvc.x": "b", "dwc.y": "c"}) == {
        "dwc.data": "a",
        "dwc.dvc.x": "b",
        "dwc.y": "c",
    }
