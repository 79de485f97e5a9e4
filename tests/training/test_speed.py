"""How fast a training is, where its time goes, and that looking changes nothing."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Generator
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from dwc.model.dwc import DWC, ModelConfig
from dwc.store.dataset import Store
from dwc.training.batches import Batch, TripletBatches
from dwc.training.flops import peak_flops, step_flops
from dwc.training.parts import OTHER, PartClock, part
from dwc.training.profile import SUMMARY, TRACE, StepProfile, profile_table
from dwc.training.speed import Load, Speed
from dwc.training.step import LossSettings, alternating_step
from tests.training.test_training import SIDE, batches, build, run, store

__all__ = ["store"]  # the fixture
CPU = torch.device("cpu")
LOAD = Load(triplets=4, flops=1e6, peak_flops=1e9)


def test_flops_are_those_of_a_step_that_is_done(store: Store) -> None:
    model, optimisers = build()
    batch = next(batches(store).epoch(0))
    with FlopCounterMode(display=False) as counter:
        alternating_step(model, batch, optimisers, LossSettings())
    assert step_flops(model.config, 4, SIDE, words=batch.words.shape[1]) == counter.get_total_flops()


def test_counting_flops_draws_nothing_and_most_are_the_backbones() -> None:
    config = ModelConfig(backbone="resnet18", dim=16, words=10, word_dim=8, clip_dim=12, resolution=224)
    before = torch.get_rng_state()
    counted = step_flops(config, 2, 224)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.rand(1).device == CPU and type(torch.rand(1)) is torch.Tensor
    network, positions = DWC(config).cnn.backbone, []
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(
                lambda layer, _, out: positions.append(layer.weight.numel() * out[0, 0].numel())
            )
    network(torch.rand(2, 3, 224, 224))
    forward = 2 * sum(positions)  # of one image: a product and a sum for each weight and position
    assert 2.8 * 4 * forward < counted < 4.5 * 4 * forward  # four images, forward and twice that backward


def test_what_a_cpu_can_do_is_measured() -> None:
    peak = peak_flops(CPU, bf16=False)
    assert 1e8 < peak.flops < 1e14 and peak.source.endswith("float32")


def test_what_a_gpu_can_do_is_in_its_data_sheet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H100 80GB HBM3")
    assert peak_flops(torch.device("cuda"), bf16=True) == (989e12, "data sheet of H100, bfloat16")


class SlowBatches(TripletBatches):
    """Three batches, each of which takes its time."""

    def __init__(self, seconds: float, batch: Batch) -> None:
        self._seconds = seconds
        self._batch = batch

    def __len__(self) -> int:
        return 3

    def epoch(self, number: int) -> Generator[Batch]:
        for _ in range(3):
            time.sleep(self._seconds)
            yield self._batch


def test_figures_of_an_epoch(store: Store) -> None:
    speed = Speed(LOAD, CPU)
    for _ in speed.watched(SlowBatches(0.06, next(batches(store).epoch(0))), 0):
        time.sleep(0.02)
    figures = speed.figures()
    assert 0.55 < figures["speed.data_stall_share"] < 0.9
    assert 3 * 4 / 0.6 < figures["speed.triplets_per_second"] < 3 * 4 / 0.24
    per_step = figures["speed.triplets_per_second"] / 4
    assert figures["speed.model_flops_utilisation"] == pytest.approx(1e6 * per_step / 1e9)
    assert 5e7 < figures["speed.peak_memory_bytes"] < 1e11


def test_time_inside_a_part_is_counted_once() -> None:
    clock = PartClock(CPU)
    with clock.running():
        time.sleep(0.02)
        with part("outer"):
            time.sleep(0.02)
            with part("inner"):
                time.sleep(0.05)
    with part("outer"):  # nobody listens any more
        time.sleep(0.05)
    assert {name: round(seconds, 2) for name, seconds in clock.seconds.items()} == pytest.approx(
        {OTHER: 0.02, "outer": 0.02, "inner": 0.05}, abs=0.015
    )


def test_a_profile_shows_every_part_and_changes_nothing(store: Store, tmp_path: Path) -> None:
    said: list[str] = []
    plain, _ = run(store, tmp_path / "plain", 3)
    model, logged = None, []

    def watched(model: DWC) -> Speed:
        return Speed(LOAD, CPU, StepProfile(tmp_path / "profile", model, 2, said.append))

    model, _ = run(store, tmp_path / "profiled", 3, watched=watched, logged=logged)
    for name, value in plain.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name
    with gzip.open(tmp_path / "profile" / TRACE, "rt") as file:
        names = {event.get("name") for event in json.load(file)["traceEvents"]}
    parts = {"data", "backbone", "editors", "text", "losses", "backward", "optimiser"}
    assert parts <= names
    summary = (tmp_path / "profile" / SUMMARY).read_text()
    assert all(f"  {name}" in summary for name in (*parts, OTHER)) and "(2 steps" in summary
    assert len(said) == 1 and summary.strip() in said[0] and len(summary.splitlines()) < 15
    assert [name for name, _ in logged].count("speed.data_stall_share") == 3
    assert not model.cnn.backbone._forward_hooks and not model.cnn.backbone._forward_pre_hooks


def test_a_training_too_short_for_its_profile_says_so(store: Store, tmp_path: Path) -> None:
    said: list[str] = []
    run(
        store,
        tmp_path / "run",
        2,
        watched=lambda model: Speed(LOAD, CPU, StepProfile(tmp_path / "profile", model, 5, said.append)),
    )
    assert "ended after 6 steps" in said[0] and (tmp_path / "profile" / TRACE).is_file()


def test_the_table_of_a_profile() -> None:
    assert profile_table({OTHER: 0.1, "data": 0.1, "backward": 0.6}, steps=2).splitlines() == [
        "Where a training step's time goes (2 steps, 400.0 ms each)",
        f"  backward       300.0 ms  75.0%  {'█' * 22}",
        f"  data            50.0 ms  12.5%  {'█' * 4}",
        f"  other           50.0 ms  12.5%  {'█' * 4}",
    ]
