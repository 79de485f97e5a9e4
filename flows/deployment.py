"""What the Prefect server has to know to start the pipeline from its pages."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from prefect import Flow, get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate, WorkPoolCreate
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectAlreadyExists

from flows.accelerator import LIMIT
from flows.pipeline import pipeline


def deploy(root: Path, pool: str) -> None:
    """Create or update the work pool, the deployment of the pipeline, and the limit that guards the GPU."""
    with get_client(sync_client=True) as client:
        with suppress(ObjectAlreadyExists):
            client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
        client.upsert_global_concurrency_limit_by_name(LIMIT, 1)
        # Whoever held the GPU when the last server ended is gone.
        client.update_global_concurrency_limit(LIMIT, GlobalConcurrencyLimitUpdate(active_slots=0))
    one_at_a_time = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE)
    located = cast(Flow[..., Any], Flow.from_source(str(root), entrypoint="flows/pipeline.py:pipeline"))
    deployment = located.to_deployment(
        "pipeline",
        work_pool_name=pool,
        concurrency_limit=one_at_a_time,
        description=pipeline.description,
    )
    assert isinstance(deployment, RunnerDeployment)
    deployment.apply()
