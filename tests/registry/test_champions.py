"""Aliases moved in a real store, by one process and by several at once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from dwc.registry import tracking
from dwc.registry.champions import Standing, crown, find_version, roll_back, standing
from dwc.registry.locks import promotion_lock
from flows.process import child, free_port
from flows.server import wait_until_ready
from tests.conftest import ROOT

NAME = "dwc-tiny"
CROWN = """
import sys, time
from pathlib import Path
from dwc.registry import tracking
from dwc.registry.champions import crown
address, version, start = sys.argv[1], sys.argv[2], float(sys.argv[3])
tracking.configure(address, Path.cwd())
time.sleep(max(0, start - time.time()))
try:
    crown("dwc-tiny", version, instead_of="1", tags={"promotion": "promoted"})
except ValueError as error:
    print(f"lost: {error}")
else:
    print("won")
"""


def make_versions(address: str, count: int = 4) -> mlflow.MlflowClient:
    client = mlflow.MlflowClient(address)
    client.create_registered_model(NAME)
    for number in range(count):
        client.create_model_version(NAME, source=f"s3://nowhere/{number}")
    return client


@pytest.fixture
def client(address: str) -> mlflow.MlflowClient:
    return make_versions(address)


def put(version: str, instead_of: str | None) -> None:
    crown(NAME, version, instead_of=instead_of, tags={"promotion": "promoted"})


def test_the_first_champion_has_no_predecessor(client: mlflow.MlflowClient) -> None:
    put("2", None)
    assert standing(NAME) == Standing(
        challenger=None, champion="2", previous_champion=None, last_champion="2"
    )
    assert client.get_model_version(NAME, "2").tags["dwc.promotion"] == "promoted"


def test_the_one_before_is_kept_and_can_return_once(client: mlflow.MlflowClient) -> None:
    put("1", None)
    put("2", "1")
    put("3", "2")
    assert (standing(NAME).champion, standing(NAME).previous_champion) == ("3", "2")
    assert roll_back(NAME) == ("3", "2")
    assert (standing(NAME).champion, standing(NAME).previous_champion) == ("2", None)
    assert client.get_model_version(NAME, "3").tags["dwc.promotion"] == "rolled back"
    with pytest.raises(ValueError, match="no previous champion to return to"):
        roll_back(NAME)
    assert standing(NAME).champion == "2"


def test_a_champion_who_changed_meanwhile_stops_the_promotion(client: mlflow.MlflowClient) -> None:
    put("1", None)
    put("2", "1")
    with pytest.raises(ValueError, match="the champion is version 2, no longer version 1"):
        put("3", "1")
    assert (standing(NAME).champion, standing(NAME).previous_champion) == ("2", "1")
    assert "dwc.promotion" not in client.get_model_version(NAME, "3").tags


def test_a_deleted_champion_is_not_forgotten(client: mlflow.MlflowClient) -> None:
    put("1", None)
    put("2", "1")
    client.delete_model_version(NAME, "2")
    assert standing(NAME) == Standing(
        challenger=None, champion=None, previous_champion="1", last_champion="2"
    )
    with pytest.raises(ValueError, match="the champion is nobody, no longer version 2"):
        put("3", "2")
    assert roll_back(NAME) == (None, "1")


def test_a_deleted_challenger_is_named_with_those_that_are_there(client: mlflow.MlflowClient) -> None:
    client.delete_model_version(NAME, "4")
    with pytest.raises(ValueError, match=r"models:/dwc-tiny/4: .*there are versions 3, 2, 1\."):
        put("4", None)
    assert standing(NAME).champion is None


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        ("dwc-tiny/3", "write it as models:/"),
        ("models:/dwc-tiny@champion", "there are versions 4, 3, 2, 1"),
        ("models:/dwc-tiny/99", "there are versions 4, 3, 2, 1"),
        ("models:/other/1", "there are no versions of that name"),
    ],
)
def test_addresses_that_lead_nowhere(client: mlflow.MlflowClient, uri: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        find_version(uri)


def test_a_model_that_was_never_registered(address: str) -> None:
    with pytest.raises(ValueError, match=r"dwc-none: .*Train and register a model first"):
        standing("dwc-none")


def crown_at_once(address: str, versions: list[str], folders: list[Path]) -> list[str]:
    """Run a promotion in one process for each version, all at the same moment; returns what they say."""
    start = str(time.time() + 12)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CROWN, address, version, start],
            cwd=ROOT,
            env=tracking_environment(folder),
            stdout=subprocess.PIPE,
            text=True,
        )
        for version, folder in zip(versions, folders, strict=True)
    ]
    return [process.communicate(timeout=180)[0].strip() for process in processes]


def tracking_environment(folder: Path) -> dict[str, str]:
    """A process with a temporary folder of its own shares no lock file with others, as on another machine."""
    folder.mkdir(exist_ok=True)
    return {**os.environ, "TMPDIR": str(folder)}


def require_one_winner(said: list[str], versions: list[str]) -> None:
    assert sum(text == "won" for text in said) == 1, said
    assert all("another promotion or rollback was quicker" in text for text in said if text != "won"), said
    assert standing(NAME).champion == versions[said.index("won")]
    assert standing(NAME).previous_champion == "1"


def test_of_promotions_at_the_same_time_one_wins(
    client: mlflow.MlflowClient, address: str, tmp_path: Path
) -> None:
    put("1", None)
    versions = ["2", "3", "4"]
    require_one_winner(crown_at_once(address, versions, [tmp_path / "same"] * 3), versions)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A tracking server, as several machines share it."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    port = free_port(0)
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    store = ["--backend-store-uri", f"sqlite:///{tmp_path / 'server.db'}", "--workers", "1"]
    log = tmp_path / "server.log"
    with (
        log.open("w") as output,
        child([*command, *store], folder=tmp_path, environment=dict(os.environ), stdout=output) as process,
    ):
        address = f"http://127.0.0.1:{port}"
        wait_until_ready(f"{address}/health", process, log)
        yield tracking.configure(address, tmp_path)


def test_of_promotions_from_several_machines_one_wins(server: str, tmp_path: Path) -> None:
    client = make_versions(server)
    put("1", None)
    versions = ["2", "3", "4"]
    folders = [tmp_path / f"machine-{version}" for version in versions]
    require_one_winner(crown_at_once(server, versions, folders), versions)
    assert [model.name for model in client.search_registered_models()] == [NAME]  # no lock is left

    with (
        promotion_lock(client, NAME),
        pytest.raises(ValueError, match=r"dwc-tiny-promotion-lock: Held by"),
        promotion_lock(client, NAME, wait_seconds=0.5),
    ):
        pass
    assert [model.name for model in client.search_registered_models()] == [NAME]
