"""Work of a stage on a Dask cluster, through Prefect's task runner for it, where an address is given.

Shards of rows become Prefect tasks of the stage's run. The stage alone writes, in the rows' order, so it goes
on where it was interrupted as it does without a cluster. Workers read pictures and CLIP from a shared disk.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextvars import copy_context
from typing import Any, TypeVar, cast

from prefect import Flow, task
from prefect.cache_policies import NO_CACHE
from prefect.context import FlowRunContext, TaskRunContext
from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner

from dwc.parallel import Named, Spread

SCHEDULER = "DWC_DASK_SCHEDULER"
SPREADING = ("preprocess", "embed")

T = TypeVar("T", bound=Named)
R = TypeVar("R")


def on_cluster(flow: Flow[[], Any]) -> Flow[[], Any]:
    """The flow of a stage, with the cluster of DWC_DASK_SCHEDULER where that is set and of use to it.

    Raises ValueError where Prefect's part for Dask is not installed, or nobody answers at the address.
    """
    address = os.environ.get(SCHEDULER)
    if not address or flow.name not in SPREADING:
        return flow
    try:
        from distributed import Client
        from prefect_dask.task_runners import DaskTaskRunner
    except ImportError as error:
        raise ValueError(f"{SCHEDULER} is set, but {error.name} is missing. Install dwc[cluster].") from error
    try:
        Client(address, set_as_default=False).close()  # type: ignore[no-untyped-call]
    except OSError as error:
        raise ValueError(
            f"{SCHEDULER} = {address}: no Dask scheduler answers there. Start one, or unset it."
        ) from error
    return flow.with_options(task_runner=cast(TaskRunner[Any], DaskTaskRunner(address=address)))


def spread() -> Spread | None:
    """How the stage that runs spreads work over its cluster; None where it has none."""
    context = FlowRunContext.get()
    threads = _threads(context.task_runner) if context else 0
    if not threads:
        return None

    def work_on(work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        return _in_order(work, items, window=2 * threads)

    return work_on


def _threads(runner: Any) -> int:
    """Threads of the runner's Dask cluster, 0 where it has none. Raises ValueError where nobody works."""
    if not hasattr(runner, "client"):
        return 0
    threads = sum(runner.client.nthreads().values())
    if not threads:
        raise ValueError(f"{SCHEDULER} = {runner.address}: the scheduler has no workers. Start some.")
    return int(threads)


def _in_order(work: Callable[[T], R], items: Iterable[T], window: int) -> Iterator[R]:
    """Results in the items' order; at most `window` shards are begun or waiting to be taken at any time."""
    waiting: deque[PrefectFuture[R]] = deque()
    outside = copy_context()
    outside.run(
        cast(Any, TaskRunContext).__var__.set, None
    )  # the step's own task cannot travel, and would have to
    for item in items:
        named = shard.with_options(task_run_name=item.name)
        waiting.append(outside.run(named.submit, work, item))
        if len(waiting) >= window:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


@task(name="shard", cache_policy=NO_CACHE, persist_result=False)
def shard(work: Callable[[Any], Any], item: Any) -> Any:
    """Do a part of a stage's work, on a worker."""
    return work(item)
