"""DVC and Prefect on one graph: whichever runs the stages, the other finds them done."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from prefect import get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterParentTaskRunId,
)
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort

from tests.flows.conftest import STAGES, Result, Workspace, processes_in, read_params


def latest(flow: str) -> FlowRun:
    """The newest run of a flow."""
    with get_client(sync_client=True) as client:
        named = FlowFilter(name=FlowFilterName(any_=[flow]))
        return client.read_flow_runs(flow_filter=named, sort=FlowRunSort.START_TIME_DESC, limit=1)[0]


def tasks_of(run: FlowRun) -> dict[str, Any]:
    """Name -> task run, of a flow run."""
    with get_client(sync_client=True) as client:
        mine = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
        return {task.name: task for task in client.read_task_runs(flow_run_filter=mine)}


def flows_below(task: Any) -> list[FlowRun]:
    with get_client(sync_client=True) as client:
        below = FlowRunFilter(parent_task_run_id=FlowRunFilterParentTaskRunId(any_=[task.id]))
        return client.read_flow_runs(flow_run_filter=below)


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.md5(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_repro_makes_everything(workspace: Workspace, first_repro: Result) -> None:
    assert workspace.ran(first_repro.stdout) == list(STAGES)
    lock = (workspace.root / "dvc.lock").read_text()
    for stage in STAGES:
        record = json.loads((workspace.root / f"build/runs/{stage}.json").read_text())
        assert len(record["run_id"]) == 32 and f"build/runs/{stage}.json" in lock
    assert (workspace.root / "build/evaluation/report.html").stat().st_size > 10_000
    assert (
        0 <= json.loads((workspace.root / "metrics/evaluate.json").read_text())["fused"]["recall_at_10"] <= 1
    )
    evaluated = json.loads((workspace.root / "metrics/evaluate.json").read_text())
    assert evaluated["protocol"] == (
        "val/original/reference-masked/per-category/captions-and-token/selected-blind"
    )
    assert (
        not list(workspace.root.glob("build/**/*.partial"))
        and not (workspace.root / "build/checkpoints").exists()
    )


def test_a_second_repro_does_nothing(workspace: Workspace) -> None:
    before = digests(workspace.root / "build")
    output = workspace.dvc("repro")
    assert workspace.ran(output) == [] and "up to date" in output
    assert digests(workspace.root / "build") == before


def test_after_repro_the_pipeline_finds_every_stage_cached(workspace: Workspace) -> None:
    result = workspace.flows("pipeline")
    assert result.returncode == 0, result.stderr
    tasks = tasks_of(latest("pipeline"))
    assert {name: task.state.name for name, task in tasks.items()} == dict.fromkeys(
        ["data.dvc", *STAGES], "Cached"
    )
    assert not any(flows_below(task) for task in tasks.values())


def test_an_evaluation_parameter_reruns_the_evaluation_alone_below_the_pipeline(workspace: Workspace) -> None:
    before = digests(workspace.root / "build/model")
    result = workspace.flows("pipeline", "--set", "evaluate.recall_at=[1, 3, 10]")
    assert result.returncode == 0, result.stderr
    assert read_params(workspace)["evaluate"]["recall_at"] == [1, 3, 10]

    tasks = tasks_of(latest("pipeline"))
    ran = [name for name, task in tasks.items() if task.state.name != "Cached"]
    assert ran == ["evaluate"]
    (below,) = flows_below(tasks["evaluate"])
    assert below.state is not None and below.state.is_completed()
    assert below.id == latest("evaluate").id

    assert digests(workspace.root / "build/model") == before
    assert "recall_at_3" in json.loads((workspace.root / "metrics/evaluate.json").read_text())["fused"]
    assert workspace.ran(workspace.dvc("repro")) == []


def test_data_that_cannot_be_used_fail_on_one_screen_and_leave_everything_as_it_was(
    workspace: Workspace,
) -> None:
    before = digests(workspace.root / "build")
    picture = workspace.root / "data/images/dress-3.jpg"
    content = picture.read_bytes()
    picture.unlink()
    result = workspace.flows("validate")
    picture.write_bytes(content)

    assert result.returncode == 1
    assert "dress-3" in result.stderr and "Traceback" not in result.stderr + result.stdout
    assert len(result.stderr.splitlines()) < 25
    state = latest("validate").state
    assert state is not None and state.name == "Failed" and "dress-3" in str(state.message)
    after = digests(workspace.root / "build")
    assert {name: after[name] for name in before} == before
    assert {name.split("/")[0] for name in after.keys() - before.keys()} == {"rejected"}


def test_a_wrong_override_changes_nothing(workspace: Workspace) -> None:
    before = (workspace.root / "params.yaml").read_bytes()
    result = workspace.flows("pipeline", "--set", "train.epoch=3")
    assert result.returncode == 1
    assert "unknown key `train.epoch`" in result.stderr.splitlines()[-1]
    assert (workspace.root / "params.yaml").read_bytes() == before


def test_data_that_are_not_there_are_asked_for(workspace: Workspace) -> None:
    (workspace.root / "data").rename(workspace.root / "elsewhere")
    result = workspace.flows("validate")
    (workspace.root / "elsewhere").rename(workspace.root / "data")
    assert result.returncode == 1
    assert result.stderr.strip().startswith("Error: data: no such data folder.")


@pytest.mark.slow
def test_a_run_that_takes_too_long_is_ended_with_all_its_processes(workspace: Workspace) -> None:
    before = (workspace.root / "params.yaml").read_text()
    result = workspace.flows("pipeline", "--set", "train.epochs=50000", "--timeout-hours", "0.015")
    assert result.returncode == 1
    assert "train: Task run exceeded timeout" in result.stderr
    state = latest("pipeline").state
    assert state is not None and (state.name, state.is_failed()) == ("TimedOut", True)
    assert not processes_in(workspace.root)
    (workspace.root / "params.yaml").write_text(before)
    assert workspace.ran(workspace.dvc("repro")) == []


def test_data_of_a_revision_that_is_not_there_leave_parameters_as_they_were(workspace: Workspace) -> None:
    before = (workspace.root / "params.yaml").read_bytes()
    result = workspace.flows("pipeline", "--set", "train.epochs=9", "--data-revision", "no-such-tag")
    assert result.returncode == 1
    assert "data revision `no-such-tag`" in result.stderr.splitlines()[-1]
    assert (workspace.root / "params.yaml").read_bytes() == before
