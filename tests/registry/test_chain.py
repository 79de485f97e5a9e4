"""The chain behind a version, and what of it can be checked out, in real repositories and stores."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import mlflow
import pytest
from rich.console import Console
from typer.testing import CliRunner

from dwc.cli import app
from dwc.commands.lineage_tree import lineage_tree
from dwc.config import Params
from dwc.registry import tracking
from dwc.registry.chain import version_chain
from dwc.registry.champions import crown
from dwc.registry.lineage import RESTORABLE, STATE, collect_lineage
from dwc.registry.params import flatten
from dwc.registry.restore import restore

NAME = "dwc-tiny"
MD5 = "0123456789abcdef0123456789abcdef.dir"


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def project(address: str, tmp_path: Path) -> Path:
    """A committed project; the store lies beside it."""
    root = tmp_path / "project"
    root.mkdir()
    (root / "code.py").write_text("x = 1\n")
    (root / "params.yaml").write_text("train: {epochs: 1}\n")
    (root / "data.dvc").write_text(f"outs:\n- md5: {MD5}\n  path: data\n")
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "start")
    return root


def run_stage(root: Path, stage: str, upstream: dict[str, str], params: dict[str, str]) -> str:
    tags = collect_lineage(root, flow_run_id="a-flow")
    with tracking.stage_run(stage, experiment="tiny", params=params, tags=tags, upstream=upstream) as run:
        for file in RESTORABLE:
            run.log_artifact(root / file, STATE)
        run.log_metrics({"fused.recall_at_10": 0.5})
    return run.id


def train(root: Path) -> str:
    """Address of a version whose runs are made as the flows make them; it needs no model."""
    every = flatten(Params().model_dump(mode="json", by_alias=True))
    embed = run_stage(
        root, "embed", {}, {key: text for key, text in every.items() if key.startswith("embed.")}
    )
    run_id = run_stage(
        root, "train", {"embed": embed}, {"train.epochs": "3", "train.dim": every["train.dim"]}
    )
    run_stage(root, "evaluate", {"embed": embed, "train": run_id}, {})
    client = mlflow.MlflowClient()
    if not client.search_registered_models():
        client.create_registered_model(NAME)
    inherited = {
        key: text for key, text in client.get_run(run_id).data.tags.items() if key.startswith("dwc.")
    }
    version = client.create_model_version(NAME, source="file:///nowhere", run_id=run_id, tags=inherited)
    return f"models:/{NAME}/{version.version}"


def test_every_link(project: Path) -> None:
    uri = train(project)
    crown(NAME, "1", instead_of=None, tags={"promotion": "promoted", "promotion.reason": "first"})
    chain = version_chain(uri)
    assert (chain.name, chain.version, chain.aliases) == (NAME, "1", ["champion"])
    assert (chain.train.stage, chain.train.status) == ("train", "FINISHED")
    assert [run.stage for run in chain.upstream] == ["embed"]
    assert [run.metrics for run in chain.evaluations] == [{"fused.recall_at_10": 0.5}]
    assert chain.flow_run == "a-flow"
    assert (chain.git_sha, chain.git_dirty, chain.git_changes) == (
        git(project, "rev-parse", "HEAD"),
        "false",
        [],
    )
    assert chain.data == MD5
    assert chain.params["train.epochs"] == "3" and chain.params["embed.architecture"] == "RN50"
    assert chain.promotion == {"decision": "promoted", "reason": "first"}
    assert json.loads(json.dumps(chain.plain()))["params"] == chain.params


def test_the_tree_fits_a_screen_and_leaves_defaults_out(project: Path) -> None:
    uri = train(project)
    (project / "code.py").write_text("x = 2\n")
    for number in range(30):
        (project / f"new-{number}.py").touch()
    console = Console(width=80, record=True, file=(project / "screen").open("w"))
    console.print(lineage_tree(version_chain(train(project))), highlight=False)
    text = console.export_text()
    assert len(text.splitlines()) < 24
    assert "train: epochs 3" in text and "dim" not in text and "1 of" in text
    assert "with changes" in text and "and 17 more" in text
    assert version_chain(uri).git_dirty == "false"


def test_a_deleted_run_leaves_its_id(project: Path) -> None:
    uri = train(project)
    client = mlflow.MlflowClient()
    embed = version_chain(uri).upstream[0].run_id
    client.delete_run(embed)
    assert [(run.run_id, run.status) for run in version_chain(uri).upstream] == [(embed, "deleted")]


def test_the_command_prints_json_and_errors_on_one_line(
    project: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = train(project)
    monkeypatch.chdir(project.parent)
    result = CliRunner().invoke(app, ["lineage", uri, "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["data"] == MD5
    result = CliRunner().invoke(app, ["lineage", "models:/dwc-tiny/9"])
    assert result.exit_code == 1 and "there are versions 1" in result.stderr


@pytest.mark.parametrize("file", ["code.py", "new.py"])
def test_code_that_no_commit_holds_is_not_restored(project: Path, tmp_path: Path, file: str) -> None:
    (project / file).write_text("x = 3\n")
    (project / "params.yaml").write_text("train: {epochs: 2}\n")
    with pytest.raises(
        ValueError, match=rf"no commit holds, so they cannot be restored: {file}\. Parameters and"
    ):
        restore(train(project), project, tmp_path / "there")
    assert not (tmp_path / "there").exists()


def test_a_commit_of_another_repository(project: Path, tmp_path: Path) -> None:
    uri = train(project)
    other = tmp_path / "other"
    git(tmp_path, "init", "--quiet", str(other))
    with pytest.raises(ValueError, match=r"is not in this repository. Fetch it"):
        restore(uri, other, tmp_path / "there")


def test_trained_outside_git(project: Path, tmp_path: Path) -> None:
    (project / ".git").rename(project / "no-git")
    with pytest.raises(ValueError, match="outside a git repository"):
        restore(train(project), project, tmp_path / "there")


def test_a_folder_in_use(project: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is something already"):
        restore(train(project), project, project)


def test_nothing_is_left_where_the_data_cannot_be_had(project: Path, tmp_path: Path) -> None:
    """The md5 of this data.dvc is of nothing that a cache or remote holds."""
    subprocess.run(["dvc", "init", "--quiet"], cwd=project, check=True)
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "dvc")
    with pytest.raises(ValueError, match=f"data revision {MD5} is neither in DVC's cache nor on the remote"):
        restore(train(project), project, tmp_path / "there")
    assert not (tmp_path / "there").exists()
    assert "there" not in git(project, "worktree", "list")


@pytest.fixture
def with_data(project: Path) -> Path:
    """The project with a data folder that DVC keeps."""
    (project / "data").mkdir()
    (project / "data" / "a.txt").write_text("first")
    for command in (["init", "--quiet"], ["add", "--quiet", "data"]):
        subprocess.run(["dvc", *command], cwd=project, check=True)
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "data")
    return project


def test_commit_parameters_and_data_come_back(with_data: Path, tmp_path: Path) -> None:
    """Parameters and data of the run are not the commit's, and have changed again since."""
    (with_data / "params.yaml").write_text("train: {epochs: 2}\n")
    (with_data / "data" / "a.txt").write_text("second")
    subprocess.run(["dvc", "add", "--quiet", "data"], cwd=with_data, check=True)
    uri = train(with_data)
    chain = version_chain(uri)
    assert chain.git_changes == ["data.dvc", "params.yaml"]

    (with_data / "params.yaml").write_text("train: {epochs: 9}\n")
    (with_data / "code.py").write_text("x = 9\n")
    (with_data / "data" / "a.txt").write_text("third")
    subprocess.run(["dvc", "add", "--quiet", "data"], cwd=with_data, check=True)
    git(with_data, "commit", "--quiet", "--all", "--message", "later")
    there = tmp_path / "there"
    restored = restore(uri, with_data, there)

    assert (restored.git_sha, restored.data) == (git(with_data, "rev-parse", "HEAD~1"), chain.data)
    assert (there / "code.py").read_text() == "x = 1\n"
    assert (there / "params.yaml").read_text() == "train: {epochs: 2}\n"
    assert (there / "data" / "a.txt").read_text() == "second"
    lineage = collect_lineage(there)
    assert (lineage["git_sha"], lineage["data"]) == (chain.git_sha, chain.data)
    assert (with_data / "data" / "a.txt").read_text() == "third"
