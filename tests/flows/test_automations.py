"""automations.yaml in the real server: loaded once however often, and set off by a failed run."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect import get_client
from prefect.states import Failed, Running

from flows.automations import load_automations
from flows.deployment import deploy
from tests.conftest import ROOT
from tests.flows.test_process import until


@pytest.fixture
def told() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Address of a webhook, and what it has been told."""
    received: list[dict[str, Any]] = []

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Webhook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", received
        server.shutdown()


@pytest.fixture
def deployed(prefect_api: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(ROOT)
    deploy(ROOT)
    yield
    with get_client(sync_client=True) as client:
        for automation in client.read_automations():
            client.delete_automation(automation.id)
        client.resume_deployment(client.read_deployment_by_name("refresh/refresh").id)


def fail(deployment: str, message: str) -> UUID:
    """A run of a deployment that fails with a message."""
    with get_client(sync_client=True) as client:
        run = client.create_flow_run_from_deployment(client.read_deployment_by_name(deployment).id)
        client.set_flow_run_state(run.id, Running(), force=True)
        client.set_flow_run_state(run.id, Failed(message=message))
    return run.id


def paused() -> bool:
    with get_client(sync_client=True) as client:
        return client.read_deployment_by_name("refresh/refresh").paused


def test_a_failed_run_tells_the_webhook_and_a_failed_refresh_is_paused(
    deployed: None, told: tuple[str, list[dict[str, Any]]]
) -> None:
    address, received = told
    names = load_automations(ROOT, address)
    assert load_automations(ROOT, address) == names and len(names) == 2
    with get_client(sync_client=True) as client:
        assert sorted(automation.name for automation in client.read_automations()) == sorted(names)

    run = fail("pipeline/pipeline", 'train: "rate" is too\nlarge')
    assert until(lambda: len(received) == 1), received
    assert received[0]["deployment"] == "pipeline" and received[0]["state"] == "Failed"
    assert received[0]["text"] == 'train: "rate" is too\nlarge' and str(run) in received[0]["page"]
    assert not paused()

    fail("refresh/refresh", "no data")
    assert until(paused)
    assert until(lambda: len(received) == 2), received


def test_without_a_webhook_only_what_needs_none_is_loaded(deployed: None) -> None:
    assert load_automations(ROOT, None) == ["Pause refresh after a failure"]


def test_what_prefect_does_not_take_is_named(tmp_path: Path) -> None:
    (tmp_path / "automations.yaml").write_text(
        "automations: [{name: odd, actions: [], trigger: {type: moon}}]"
    )
    with pytest.raises(ValueError, match=r"automations\.yaml: `odd`"):
        load_automations(tmp_path, None)
