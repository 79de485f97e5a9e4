"""prefect.yaml: what it declares is what the server has, and what the forms ask is what the flows take."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from prefect import Flow, get_client
from prefect.client.schemas.objects import StateType
from prefect.states import Pending, Running
from prefect.utilities.callables import parameter_schema

from flows.deployment import deploy
from flows.pipeline import pipeline
from flows.refresh import refresh
from flows.worker import POOL
from tests.conftest import ROOT

DECLARED: dict[str, Any] = yaml.safe_load((ROOT / "prefect.yaml").read_text())
DEPLOYMENTS = {entry["name"]: entry for entry in DECLARED["deployments"]}
FLOWS: dict[str, Flow[..., Any]] = {"pipeline": pipeline, "refresh": refresh}


@pytest.mark.parametrize("name", FLOWS)
def test_a_stranger_can_fill_in_the_form(name: str) -> None:
    schema = parameter_schema(FLOWS[name])
    for parameter, described in schema.properties.items():
        assert len(described.get("description", "")) > 30, parameter
    assert schema.required == []
    assert DEPLOYMENTS[name]["parameters"].keys() <= schema.properties.keys()
    assert DEPLOYMENTS[name]["entrypoint"] == f"flows/{name}.py:{name}"


def test_the_form_offers_the_presets_and_stages_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    fields = parameter_schema(pipeline).properties
    presets = sorted(file.stem for file in (ROOT / "presets").glob("*.yaml"))
    assert fields["preset"]["enum"][0] == fields["preset"]["default"] == "params.yaml"
    assert sorted(fields["preset"]["enum"][1:]) == presets
    stages = list(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"])
    assert fields["stage"]["enum"] == ["all", *stages]
    assert (fields["overrides"]["type"], fields["overrides"]["items"]) == ("array", {"type": "string"})
    assert fields["seed"]["anyOf"][0] == {"type": "integer", "minimum": 0}
    assert fields["promote"]["type"] == "boolean" and fields["promote"]["default"] is False


def test_the_schedule_waits_to_be_switched_on() -> None:
    (schedule,) = DEPLOYMENTS["refresh"]["schedules"]
    assert schedule["active"] is False
    assert "schedules" not in DEPLOYMENTS["pipeline"]


def test_the_worker_works_for_the_pool_that_is_declared() -> None:
    assert [pool["name"] for pool in DECLARED["work_pools"]] == [POOL]
    assert {entry["work_pool"]["name"] for entry in DEPLOYMENTS.values()} == {POOL}


def test_deploying_makes_what_is_declared_and_frees_what_a_dead_worker_held(
    prefect_api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    deploy(ROOT)
    with get_client(sync_client=True) as client:
        assert client.read_work_pool(POOL).concurrency_limit == 1
        found = client.read_deployment_by_name("pipeline/pipeline")
        assert found.tags == ["dwc"] and found.parameters == {"timeout_hours": 48}
        options = found.concurrency_options
        assert found.global_concurrency_limit is not None and options is not None
        assert (found.global_concurrency_limit.limit, options.collision_strategy.value) == (1, "ENQUEUE")
        assert client.read_global_concurrency_limit_by_name("gpu").limit == 1

        held = client.create_flow_run_from_deployment(found.id)
        client.set_flow_run_state(held.id, Pending())
        client.set_flow_run_state(held.id, Running())
        waiting = client.create_flow_run_from_deployment(found.id)
        assert client.set_flow_run_state(waiting.id, Pending()).state.name == "AwaitingConcurrencySlot"

        deploy(ROOT)
        assert client.read_flow_run(held.id).state_name == "Crashed"
        assert client.read_flow_run(waiting.id).state_type == StateType.SCHEDULED
        assert client.read_deployment_by_name("pipeline/pipeline").id == found.id
        assert client.set_flow_run_state(waiting.id, Pending()).state.name == "Pending"
        client.delete_flow_run(waiting.id)


def test_a_file_that_prefect_does_not_take_is_named(prefect_api: str, tmp_path: Any) -> None:
    broken = {**DECLARED, "deployments": [{**DEPLOYMENTS["pipeline"], "entrypoint": "flows/none.py:none"}]}
    (tmp_path / "prefect.yaml").write_text(yaml.safe_dump(broken))
    with pytest.raises(ValueError, match=r"prefect.yaml: Prefect does not take it"):
        deploy(tmp_path)
