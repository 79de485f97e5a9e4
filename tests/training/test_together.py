"""Two processes with half a batch each learn what one learns with the whole batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import multiprocessing

from dwc.store.dataset import Store
from dwc.training.step import LossSettings
from dwc.training.together import devices_here
from tests.training.tiny import BATCH, as_rank, batches, run, write_store

RUNS: dict[str, dict[str, Any]] = {
    "single": {"steps": 20, "dtype": torch.float32},
    "double": {"steps": 20, "dtype": torch.float64},
    "reference": {
        "steps": 20,
        "dtype": torch.float64,
        "loss": LossSettings(teacher_image="reference", similarity="gaussian", alpha=0.5),
    },
    "chunks": {"steps": 3, "dtype": torch.float64, "normalise_by_batch": False, "chunk": 1},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store, and what two processes with half a batch each have made of every run."""
    folder = tmp_path_factory.mktemp("together")
    write_store(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GLOO_SOCKET_IFNAME", "lo")  # gloo listens there
        multiprocessing.spawn(as_rank, (2, folder, RUNS), nprocs=2)
    return folder


@pytest.mark.parametrize("name", RUNS)
def test_two_ranks_learn_what_one_does(name: str, folder: Path) -> None:
    options = RUNS[name] | {"chunk": None}
    within = 5e-5 if options["dtype"] == torch.float32 else 1e-10
    losses, model = run(Store(folder, folder), **options)
    for rank in range(2):
        found = load_file(folder / f"{name}{rank}.safetensors")
        torch.testing.assert_close(found.pop("losses"), losses, rtol=0, atol=within)
        assert found.keys() == model.state_dict().keys()
        if options["dtype"] == torch.float64:  # Adam turns the rounding of gradients near 0 into whole steps
            for key, value in model.state_dict().items():
                torch.testing.assert_close(
                    found[key], value, rtol=0, atol=1e-8, msg=lambda m, k=key: f"{k}: {m}"
                )


def test_some_target_is_in_both_halves_and_texts_differ_in_length(folder: Path) -> None:
    batch = next(batches(Store(folder, folder)).epoch(0))
    halves = (set(half.tolist()) for half in batch.labels.split(BATCH // 2))
    assert set.intersection(*halves)
    assert len(set(batch.mask.sum(1).tolist())) > 1


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (devices_here(3, "cpu"), devices_here("all", "cpu")) == (3, 1)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert (devices_here("all", "auto"), devices_here(1, "cuda:1")) == (2, 1)
    with pytest.raises(ValueError, match="this machine has 2 GPU"):
        devices_here(3, "auto")
    with pytest.raises(ValueError, match="names one GPU"):
        devices_here(2, "cuda:1")
