"""Stage runs in a real SQLite store."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow.entities import Run

from dwc.registry import system_metrics, tracking
from dwc.registry.run import StageRun

TAGS = {"git_sha": "a" * 40, "git_dirty": "false", "data": "b" * 32 + ".dir", "flow_run": "c"}


def run_of(address: str, run_id: str) -> Run:
    return mlflow.MlflowClient(address).get_run(run_id)


def open_run(stage: str = "train", **changes: object) -> StageRun:
    """Everything that `stage_run` needs, as its context manager."""
    given = {"experiment": "wardrobe", "params": {}, "tags": TAGS, "upstream": {}} | changes
    return tracking.stage_run(stage, **given)  # type: ignore[arg-type,return-value]


def test_a_run_carries_its_lineage_and_params(address: str) -> None:
    params = {
        "train": {"loss": {"alpha": 0.2}, "seed": 1, "cnn": {"weights": None}},
        "evaluate.recall_at": [1, 5],
        "data.name": "wardrobe",
    }
    with open_run(params=params, upstream={"embed": "id-of-embed"}) as run:
        assert run_of(address, run.id).info.status == "RUNNING"
    kept = run_of(address, run.id)
    assert kept.info.status == "FINISHED"
    assert kept.info.run_name == "train"
    assert kept.data.params == {
        "train.loss.alpha": "0.2",
        "train.seed": "1",
        "train.cnn.weights": "null",
        "evaluate.recall_at": "[1, 5]",
        "data.name": "wardrobe",
    }
    expected = {f"dwc.{key}": value for key, value in TAGS.items()}
    expected |= {
        "dwc.stage": "train",
        "dwc.upstream.embed": "id-of-embed",
        "mlflow.source.git.commit": "a" * 40,
    }
    assert expected.items() <= kept.data.tags.items()
    experiment = mlflow.MlflowClient(address).get_experiment(kept.info.experiment_id)
    assert experiment.name == "wardrobe"


def test_a_run_can_be_marked_while_it_is_open(address: str) -> None:
    with open_run("evaluate") as run:
        run.tag({"dwc.protocol": "val/original"})
    assert run_of(address, run.id).data.tags["dwc.protocol"] == "val/original"


def test_more_params_than_one_request_takes(address: str) -> None:
    with open_run(params={f"p{number}": number for number in range(250)}) as run:
        pass
    assert len(run_of(address, run.id).data.params) == 250


def test_metrics_of_each_step_arrive(address: str) -> None:
    with open_run() as run:
        for step in range(20):
            run.log_metrics({"loss": 1.0 / (step + 1), "step.rate": 0.1}, step)
        run.log_metrics({"images": 12})
    history = mlflow.MlflowClient(address).get_metric_history(run.id, "loss")
    assert [(metric.step, metric.value) for metric in history] == [(n, 1.0 / (n + 1)) for n in range(20)]
    assert run_of(address, run.id).data.metrics["images"] == 12


def test_a_metric_name_that_cannot_be_kept(address: str) -> None:
    with pytest.raises(ValueError, match="metric 'a@b'"), open_run() as run:
        run.log_metrics({"a@b": 1.0})


def test_artifacts_lie_beside_the_database(address: str, tmp_path: Path) -> None:
    folder = tmp_path / "report"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "a.txt").write_text("a")
    with open_run() as run:
        run.log_artifact(folder, "evaluation")
        run.log_artifact(folder / "deep" / "a.txt")
        run.log_text("# Hello", "summary.md")
        with pytest.raises(ValueError, match="no such file or folder to keep with the train run"):
            run.log_artifact(tmp_path / "missing")
    kept = tmp_path / ".mlflow" / "artifacts" / "wardrobe" / run.id / "artifacts"
    assert (kept / "evaluation" / "deep" / "a.txt").read_text() == "a"
    assert (kept / "a.txt").read_text() == "a"
    assert (kept / "summary.md").read_text() == "# Hello"


@pytest.mark.parametrize(("stage", "context"), [("train", "training"), ("evaluate", "evaluation")])
def test_data_sets_are_named_with_their_version(address: str, stage: str, context: str) -> None:
    frame = pd.DataFrame(
        {"reference": [1, 2], "texts": [[1], [2, 3]], "category": pd.Categorical(["a", "b"])}
    )
    with open_run(stage) as run:
        run.log_dataset("queries", digest=TAGS["data"], source="data", rows=2, frame=frame)
        run.log_dataset("other", digest="unknown", source="data", rows=7, frame=frame)
    inputs = {entry.dataset.name: entry for entry in run_of(address, run.id).inputs.dataset_inputs}
    assert inputs["queries"].dataset.digest == TAGS["data"]
    assert inputs["queries"].dataset.profile == '{"num_rows": 2}'
    assert inputs["queries"].tags[0].value == context
    assert len(inputs["other"].dataset.digest) == 8  # MLflow's own


def test_a_failure_is_kept_as_one(address: str) -> None:
    with pytest.raises(ValueError, match="bad data"), open_run() as run:
        run.log_metrics({"loss": 1.0})
        raise ValueError("bad data\nin line two")
    kept = run_of(address, run.id)
    assert kept.info.status == "FAILED"
    assert kept.data.tags["dwc.error"] == "ValueError: bad data"
    assert kept.data.metrics == {"loss": 1.0}


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
def test_an_interruption_is_kept_as_one(address: str, interruption: type[BaseException]) -> None:
    with pytest.raises(interruption), open_run() as run:
        raise interruption
    assert run_of(address, run.id).info.status == "KILLED"


def test_system_metrics_are_sampled(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_metrics, "SECONDS", 0.2)
    with open_run() as run:
        time.sleep(1.0)
    metrics = run_of(address, run.id).data.metrics
    assert metrics["system/cpu_utilization_percentage"] >= 0
    assert metrics["system/system_memory_usage_megabytes"] > 0


REFUSE = "CREATE TRIGGER full BEFORE INSERT ON metrics BEGIN SELECT RAISE(ABORT, 'disk full'); END"


def execute(root: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(root / ".mlflow" / "mlflow.db", isolation_level=None)) as database:
        return database.execute(statement).fetchall()


def test_an_outage_in_mid_training_costs_nothing(address: str, tmp_path: Path) -> None:
    """The database takes no metrics for a while; training does not notice, and nothing is lost."""
    with open_run() as run:
        execute(tmp_path, REFUSE)
        run.log_metrics({"loss": 0.5}, step=1)
        deadline = time.monotonic() + 30
        while run.metric_error is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert "disk full" in str(run.metric_error)
        execute(tmp_path, "DROP TRIGGER full")
    assert run_of(address, run.id).info.status == "FINISHED"
    assert run_of(address, run.id).data.metrics["loss"] == 0.5


def test_a_store_that_takes_no_metric_is_an_error_at_the_end(address: str, tmp_path: Path) -> None:
    execute(tmp_path, REFUSE)
    expected = r"took none of the 1 metric values of the train run \(.*disk full"
    with pytest.raises(ValueError, match=expected), open_run() as run:
        run.log_metrics({"loss": 0.5})


def test_the_users_server_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = f"sqlite:///{tmp_path / 'chosen' / 'runs.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", chosen)
    assert tracking.configure("sqlite:///elsewhere.db", tmp_path) == chosen
    assert not (tmp_path / ".mlflow").exists()


def test_the_choice_does_not_leak_into_the_environment(address: str, tmp_path: Path) -> None:
    assert "MLFLOW_TRACKING_URI" not in os.environ
    other = tracking.configure(None, tmp_path / "other")
    assert other != address
    assert mlflow.get_tracking_uri() == other


def test_a_server_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(
        ValueError, match=r"MLFLOW_TRACKING_URI = http://127\.0\.0\.1:9: .* Start the\s+server"
    ):
        tracking.configure(None, tmp_path)


FIRST_USE = """
import sys, time
from pathlib import Path
import mlflow, mlflow.store.tracking.sqlalchemy_store  # what takes time is done before the common start
from dwc.registry import tracking
root, name = Path(sys.argv[1]), sys.argv[2]
(root / f"ready-{name}").touch()
while not (root / "go").exists():
    time.sleep(0.001)
tracking.configure(None, root)
with tracking.stage_run("validate", experiment="wardrobe", params={"a": 1}, tags={}, upstream={}) as run:
    run.log_metrics({"x": 1.0})
print(run.id)
"""


def test_several_first_users_at_once(tmp_path: Path) -> None:
    """Three processes open the same new store in the same moment; all of them find it whole."""
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    users = [
        subprocess.Popen(
            [sys.executable, "-c", FIRST_USE, str(tmp_path), str(number)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    deadline = time.monotonic() + 120
    while len(list(tmp_path.glob("ready-*"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    (tmp_path / "go").touch()
    results = [(*user.communicate(timeout=120), user.returncode) for user in users]
    assert [status for _, _, status in results] == [0, 0, 0], results
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / '.mlflow' / 'mlflow.db'}")
    assert len([e for e in client.search_experiments() if e.name == "wardrobe"]) == 1
    runs = [client.get_run(output.strip().splitlines()[-1]) for output, _, _ in results]
    assert [run.info.status for run in runs] == ["FINISHED"] * 3
    assert [run.data.metrics["x"] for run in runs] == [1.0] * 3
    assert execute(tmp_path, "PRAGMA integrity_check") == [("ok",)]


ENDLESS = """
import sys, time
from pathlib import Path
from dwc.registry import tracking
tracking.configure(None, Path(sys.argv[1]))
with tracking.stage_run("train", experiment="wardrobe", params={}, tags={}, upstream={}) as run:
    print(run.id, flush=True)
    time.sleep(120)
"""


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_process_ends_its_run_as_killed(address: str, tmp_path: Path, how: signal.Signals) -> None:
    process, run_id = endless_run(tmp_path)
    process.send_signal(how)
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert run_of(address, run_id).info.status == "KILLED"


def test_a_run_whose_process_died_is_ended_by_the_next(address: str, tmp_path: Path) -> None:
    process, run_id = endless_run(tmp_path)
    with open_run():
        assert run_of(address, run_id).info.status == "RUNNING"  # its process is alive
    process.kill()
    process.communicate(timeout=60)
    assert run_of(address, run_id).info.status == "RUNNING"  # nobody was left to end it
    with open_run() as run:
        assert run_of(address, run_id).info.status == "KILLED"
        assert run_of(address, run.id).info.status == "RUNNING"


def endless_run(root: Path) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, "-c", ENDLESS, str(root)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def test_the_lock_lets_one_in_at_a_time(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom dwc.registry.store import store_lock\n"
        "with store_lock(sys.argv[1]):\n"
        "    print(time.time(), flush=True); time.sleep(0.3); print(time.time(), flush=True)\n"
    )
    command = [sys.executable, "-c", code, f"sqlite:///{tmp_path / 'a.db'}"]
    users = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    times = sorted([float(line) for line in user.communicate(timeout=60)[0].split()] for user in users)
    assert all(end <= start for (_, end), (start, _) in pairwise(times))
