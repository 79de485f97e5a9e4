"""dvc.yaml against the flows: one graph, and nothing declared in one that the other does not use."""

import re
import subprocess
from typing import Any

import pytest
import yaml

from dwc.config import load_params
from dwc.registry.params import flatten
from flows.graph import stage_order
from flows.pipeline import StageName
from flows.stage import STAGES, chosen
from tests.conftest import ROOT

GRAPH: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]


def outputs(stage: str) -> dict[str, dict[str, Any]]:
    declared = GRAPH[stage]
    items = [*declared["outs"], *declared.get("plots", []), *declared.get("metrics", [])]
    return {path: options for item in items for path, options in item.items()}


def test_the_stages_are_the_flows_in_the_graphs_order() -> None:
    assert ("all", *GRAPH) == ("all", *STAGES) == StageName.__args__  # type: ignore[attr-defined]
    assert [name for name in stage_order(ROOT) if name in STAGES] == list(STAGES)
    assert stage_order(ROOT, "embed")[-1] == "embed" and "train" not in stage_order(ROOT, "embed")


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_reads_exactly_the_parameters_it_declares(stage: str) -> None:
    source = (ROOT / f"flows/{stage}.py").read_text()
    (sections,) = re.findall(r"^@stage\((.*)\)$", source, flags=re.MULTILINE)
    assert re.findall(r'"([\w.]+)"', sections) == GRAPH[stage]["params"]
    for used in set(re.findall(r"params\.(\w+)\.?(\w*)", source)):
        section, key = used[0].rstrip("_"), used[1]
        declared = GRAPH[stage]["params"]
        assert section in declared or any(name.startswith(f"{section}.") for name in declared), (section, key)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_its_own_flow_and_on_what_is_there(stage: str) -> None:
    made = {path for other in STAGES for path in outputs(other)}
    assert f"flows/{stage}.py" in GRAPH[stage]["deps"]
    for path in GRAPH[stage]["deps"]:
        assert path in made or path == "${data.root}" or (ROOT / path).exists(), path


@pytest.mark.parametrize("stage", STAGES)
def test_outputs_survive_a_failing_stage_and_stay_out_of_the_remote(stage: str) -> None:
    for path, options in outputs(stage).items():
        assert options["persist"] is True, path
        assert options.get("push") is False or options.get("cache") is False, path


def test_evaluation_parameters_concern_the_evaluation_alone() -> None:
    users = [
        stage for stage in STAGES if any(name.split(".")[0] == "evaluate" for name in GRAPH[stage]["params"])
    ]
    assert users == ["evaluate"]


def test_every_parameter_is_some_stages_or_the_gates() -> None:
    params = load_params(ROOT / "params.yaml")
    declared = {key for stage in STAGES for key in chosen(params, GRAPH[stage]["params"])}
    gate = set(chosen(params, ["promote"]))
    assert declared | gate == set(flatten(params.model_dump(mode="json", by_alias=True)))
    assert not declared & gate


def test_chosen_takes_sections_and_single_keys() -> None:
    params = load_params(ROOT / "params.yaml")
    assert set(chosen(params, ["data.name"])) == {"data.name"}
    assert {"data.name", "data.layout", "data.root", "data.pairs.draws"} < set(chosen(params, ["data"]))
    assert all(key.startswith("data.") for key in chosen(params, ["data"]))
    assert chosen(params, ["dat"]) == {}


def test_the_makefile_lists_its_targets() -> None:
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    listed = set(re.findall(r"^  make (\S+) ", shown, flags=re.MULTILINE))
    declared = set(re.findall(r"^\.PHONY: (\S+)", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert listed == declared
