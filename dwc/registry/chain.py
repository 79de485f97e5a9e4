"""The chain behind a model version: its runs, the flow run, the commit, the data and the parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dwc.registry.champions import PROMOTION, find_version
from dwc.registry.lineage import NONE, PREFIX, UNKNOWN
from dwc.registry.store import current_client, first_line

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_UPSTREAM = f"{PREFIX}upstream."
_DELETED = "deleted"


@dataclass(frozen=True, kw_only=True)
class RunLink:
    """A stage's run in MLflow; where it was deleted, only its id is known."""

    stage: str
    run_id: str
    status: str
    started: str
    seconds: float | None
    params: Mapping[str, str]
    metrics: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Chain:
    """Everything a version was made from. Texts are `unknown` where they were not recorded.

    upstream: the runs before the train run, in the order in which they ran; evaluations: runs that measured
    this version's model, newest first; promotion: decision, reason and figures, by name, empty without one.
    """

    uri: str
    name: str
    version: str
    aliases: list[str]
    train: RunLink
    upstream: list[RunLink]
    evaluations: list[RunLink]
    promotion: Mapping[str, str]
    flow_run: str
    dvc_experiment: str
    git_sha: str
    git_dirty: str
    git_changes: list[str]
    data: str
    dvc_lock: str

    @property
    def params(self) -> dict[str, str]:
        """Parameters of all stages up to the version."""
        return {key: text for run in (*self.upstream, self.train) for key, text in run.params.items()}

    def plain(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "params": self.params}


def version_chain(uri: str) -> Chain:
    """Collect the chain of a version. Raises ValueError where there is no such version."""
    client = current_client()
    found = find_version(uri)
    tags: Mapping[str, str] = found.tags
    upstream = {
        key.removeprefix(_UPSTREAM): run_id for key, run_id in tags.items() if key.startswith(_UPSTREAM)
    }
    links = [_link(client, stage, run_id) for stage, run_id in upstream.items()]
    changes = tags.get(f"{PREFIX}git_changes", UNKNOWN)
    return Chain(
        uri=uri,
        name=found.name,
        version=str(found.version),
        aliases=sorted(_aliases(client, found.name, str(found.version))),
        train=_link(client, "train", found.run_id),
        upstream=sorted(links, key=lambda link: link.started),
        evaluations=_evaluations(client, found.run_id),
        promotion=_promotion(tags),
        flow_run=tags.get(f"{PREFIX}flow_run", UNKNOWN),
        dvc_experiment=tags.get(f"{PREFIX}dvc_experiment", UNKNOWN),
        git_sha=tags.get(f"{PREFIX}git_sha", UNKNOWN),
        git_dirty=tags.get(f"{PREFIX}git_dirty", UNKNOWN),
        git_changes=[] if changes == NONE else changes.splitlines(),
        data=tags.get(f"{PREFIX}data", UNKNOWN),
        dvc_lock=tags.get(f"{PREFIX}dvc_lock", UNKNOWN),
    )


def _promotion(tags: Mapping[str, str]) -> dict[str, str]:
    key = f"{PREFIX}{PROMOTION}"
    return {
        name.removeprefix(key).removeprefix(".") or "decision": text
        for name, text in sorted(tags.items())
        if name == key or name.startswith(f"{key}.")
    }


def _aliases(client: MlflowClient, name: str, version: str) -> list[str]:
    aliases = client.get_registered_model(name).aliases
    return [alias for alias, named in aliases.items() if str(named) == version]


def _evaluations(client: MlflowClient, train_run: str) -> list[RunLink]:
    from mlflow.exceptions import MlflowException

    try:
        experiment = client.get_run(train_run).info.experiment_id
    except MlflowException:
        return []
    runs = client.search_runs(
        [experiment],
        filter_string=f"tags.`{PREFIX}stage` = 'evaluate' AND tags.`{_UPSTREAM}train` = '{train_run}'",
        max_results=3,
    )
    return [_described("evaluate", run) for run in runs]


def _link(client: MlflowClient, stage: str, run_id: str) -> RunLink:
    from mlflow.exceptions import MlflowException

    try:
        return _described(stage, client.get_run(run_id))
    except MlflowException as error:
        return RunLink(
            stage=stage,
            run_id=run_id,
            status=f"{_DELETED} ({first_line(error)})",
            started="",
            seconds=None,
            params={},
            metrics={},
        )


def _described(stage: str, run: Run) -> RunLink:
    info = run.info
    ended = info.end_time
    return RunLink(
        stage=stage,
        run_id=info.run_id,
        status=_DELETED if info.lifecycle_stage == "deleted" else info.status,
        started=datetime.fromtimestamp(info.start_time / 1000).isoformat(" ", "seconds"),
        seconds=(ended - info.start_time) / 1000 if ended else None,
        params=dict(run.data.params),
        metrics=dict(run.data.metrics),
    )
