"""Preprocess and embed on a Dask cluster make the same bytes as alone."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import LocalCluster

from flows.cluster import SCHEDULER
from tests.conftest import ROOT
from tests.flows.conftest import Workspace, make_workspace
from tests.flows.test_pipeline import digests, latest, tasks_of


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """Address of a scheduler on this machine with two worker processes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([os.environ["PYTHONPATH"], str(ROOT)]))
        with LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
        ) as started:
            yield started.scheduler_address


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_stages_on_a_cluster_write_the_same_bytes(
    tmp_path: Path, workspace: Workspace, cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spread = make_workspace(tmp_path / "project")
    monkeypatch.setenv(SCHEDULER, cluster)
    assert spread.ran(spread.dvc("repro", "embed")) == ["validate", "preprocess", "embed"]
    for folder in ("store", "features", "clip"):
        mine, alone = (digests(each.root / "build" / folder) for each in (spread, workspace))
        assert mine == alone and mine
    assert any(name.startswith("pictures 1 to ") for name in tasks_of(latest("preprocess")))
    shards = [re.match(r"(\w+) [\d,]+ to ", name) for name in tasks_of(latest("embed"))]
    assert {shard[1] for shard in shards if shard} == {"images", "texts"}


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_what_a_worker_cannot_read_is_one_line(
    tmp_path: Path, prefect_api: str, cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = make_workspace(tmp_path / "project")
    broken.dvc("repro", "validate")
    picture = broken.root / "data/images/dress-3.jpg"
    picture.write_bytes(picture.read_bytes()[:200])
    monkeypatch.setenv(SCHEDULER, cluster)
    result = broken.flows("preprocess")
    assert result.returncode == 1
    assert result.stderr.strip().splitlines()[-1].startswith(f"Error: {picture}: cannot be decoded")
    assert "Traceback" not in result.stderr + result.stdout


def test_a_scheduler_that_does_not_answer_is_one_line(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SCHEDULER, "tcp://127.0.0.1:9")
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT", "1s")
    result = workspace.flows("preprocess")
    assert result.returncode == 1
    assert "no Dask scheduler answers there" in result.stderr.strip().splitlines()[-1]
    assert "Traceback" not in result.stderr + result.stdout
