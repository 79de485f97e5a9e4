"""What prefect.yaml declares, made known to the Prefect server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate, WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed

from flows.process import without_flow_run

FILE = "prefect.yaml"
HELD = (StateType.PENDING, StateType.RUNNING, StateType.CANCELLING)


def deploy(root: Path) -> None:
    """Create or update work pools, limits and deployments, and free what a worker that is gone still holds.

    Raises ValueError where prefect.yaml cannot be deployed.
    """
    declared: dict[str, Any] = yaml.safe_load((root / FILE).read_text(encoding="utf-8"))
    pools: list[dict[str, Any]] = declared["work_pools"]
    with get_client(sync_client=True) as client:
        for pool in pools:
            _create_pool(client, **pool)
        for limit in declared["global_concurrency_limits"]:
            client.upsert_global_concurrency_limit_by_name(limit["name"], limit["limit"])
            client.update_global_concurrency_limit(
                limit["name"], GlobalConcurrencyLimitUpdate(active_slots=0)
            )
        end_abandoned_runs(client, [pool["name"] for pool in pools])
    _deploy_all(root)


def _create_pool(client: SyncPrefectClient, name: str, type: str, concurrency_limit: int) -> None:
    try:
        client.read_work_pool(name)
    except ObjectNotFound:
        client.create_work_pool(WorkPoolCreate(name=name, type=type, concurrency_limit=concurrency_limit))
    else:
        client.update_work_pool(name, WorkPoolUpdate(concurrency_limit=concurrency_limit))


def end_abandoned_runs(client: SyncPrefectClient, pools: list[str]) -> None:
    """Mark runs as crashed whose worker ended without a word: they would keep all later ones waiting."""
    there = WorkPoolFilter(name=WorkPoolFilterName(any_=pools))
    runs = client.read_flow_runs(flow_run_filter=_held(), work_pool_filter=there)
    while runs:
        for run in runs:
            client.set_flow_run_state(run.id, Crashed(message="The worker that ran it is gone."), force=True)
        runs = client.read_flow_runs(flow_run_filter=_held(below=runs))


def _held(below: Iterable[FlowRun] | None = None) -> FlowRunFilter:
    """Runs that hold a slot; with `below`, only those that these runs have called."""
    parents = FlowRunFilterParentFlowRunId(any_=[run.id for run in below]) if below is not None else None
    return FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(HELD))), parent_flow_run_id=parents
    )


def _deploy_all(root: Path) -> None:
    """Let Prefect read its own file; its format is only promised to its own command."""
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    done = subprocess.run(command, cwd=root, env=without_flow_run(), capture_output=True, text=True)
    if done.returncode:
        said = "\n".join((done.stderr + done.stdout).strip().splitlines()[-15:])
        raise ValueError(f"{root / FILE}: Prefect does not take it:\n{said}")
