"""Stage runs in MLflow: from the first tag to how they ended."""

from __future__ import annotations

import getpass
import logging
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal

from dwc.registry.abandoned import PROCESS_TAG, end_abandoned_runs, process_name
from dwc.registry.lineage import PREFIX, UNKNOWN, as_tags
from dwc.registry.params import flatten
from dwc.registry.run import StageRun
from dwc.registry.store import current_client, experiment_id, first_line, open_store, reason, store_address
from dwc.registry.system_metrics import system_metrics

if TYPE_CHECKING:
    from mlflow import MlflowClient

Status = Literal["FINISHED", "FAILED", "KILLED"]

_LOGGER = logging.getLogger(__name__)
_LARGEST_PARAM_BATCH = 100


def configure(uri: str | None, root: Path) -> str:
    """Choose the tracking store of this process, make it where there is none, and return its address.

    MLFLOW_TRACKING_URI (an HTTP server, say) wins over `uri`; with neither it is SQLite in `<root>/.mlflow`.
    Raises ValueError where the store does not answer.
    """
    address = store_address(uri, root)
    open_store(address)
    return address


@contextmanager
def stage_run(
    stage: str,
    *,
    experiment: str,
    params: Mapping[str, Any],
    tags: Mapping[str, str],
    upstream: Mapping[str, str],
) -> Iterator[StageRun]:
    """Track a stage: a run of the stage's name in the experiment of the data set's name.

    params: nested or flat; tags: the lineage; upstream: ids of the earlier stages' runs by stage. Needs
    `configure` first. The run ends FINISHED, FAILED after an exception, KILLED after an interruption (Ctrl-C,
    SIGTERM, a cancelled flow). Raises ValueError at the end where the store took no metric or not the ending.
    """
    client = current_client()
    run = _start(client, stage, experiment, params, tags, upstream)
    try:
        with _sigterm_as_exit(), system_metrics(client.tracking_uri, run.id):
            yield run
    except BaseException as error:
        _end_after(error, client, run)
        raise
    _end(client, run, "FINISHED")


def _start(
    client: MlflowClient,
    stage: str,
    experiment: str,
    params: Mapping[str, Any],
    tags: Mapping[str, str],
    upstream: Mapping[str, str],
) -> StageRun:
    from mlflow.entities import Param

    number = experiment_id(client, experiment)
    end_abandoned_runs(client, number)
    all_tags = {
        f"{PREFIX}stage": stage,
        **as_tags(tags),
        **{f"{PREFIX}upstream.{name}": run_id for name, run_id in upstream.items()},
        PROCESS_TAG: process_name(),
        "mlflow.user": getpass.getuser(),
    }
    if (sha := tags.get("git_sha", UNKNOWN)) != UNKNOWN:
        all_tags["mlflow.source.git.commit"] = sha
    run_id = client.create_run(number, run_name=stage, tags=all_tags).info.run_id
    texts = iter(flatten(params).items())
    while batch := [Param(key, text) for key, text in islice(texts, _LARGEST_PARAM_BATCH)]:
        client.log_batch(run_id, params=batch)
    return StageRun(client, run_id, stage)


def _end(client: MlflowClient, run: StageRun, status: Status) -> None:
    from mlflow.exceptions import MlflowException

    lost = run.close()
    try:
        client.set_terminated(run.id, status=status)
    except MlflowException as error:
        loss = f", and {lost} metric values are lost" if lost else ""
        raise ValueError(
            f"{client.tracking_uri}: {run.stage} run {run.id} could not be ended ({reason(error)}){loss}. "
            "Start the MLflow server and run the stage again."
        ) from error
    if lost and not run.delivered:
        raise ValueError(
            f"{client.tracking_uri}: the store took none of the {lost} metric values of the {run.stage} run "
            f"({reason(run.metric_error)}). Mend it and run the stage again."
        )
    if lost:
        _LOGGER.warning("%d metric values of the %s run %s are lost.", lost, run.stage, run.id)


def _end_after(error: BaseException, client: MlflowClient, run: StageRun) -> None:
    """End the run of a stage that failed or was interrupted; trouble in doing so must not hide the reason."""
    from mlflow.exceptions import MlflowException

    status: Status = "FAILED" if isinstance(error, Exception) else "KILLED"
    try:
        client.set_tag(run.id, f"{PREFIX}error", f"{type(error).__name__}: {first_line(error)}")
        _end(client, run, status)
    except (MlflowException, ValueError) as trouble:
        _LOGGER.warning("The %s run %s may still show as running: %s", run.stage, run.id, reason(trouble))


@contextmanager
def _sigterm_as_exit() -> Iterator[None]:
    """Turn SIGTERM into SystemExit, unless somebody handles it already, so that the run can be ended."""
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
