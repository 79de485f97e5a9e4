"""Guards against slowness of another order, with wide bounds; benchmarks/ has the figures."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import normalize

from benchmarks.feeding import DEMO, write_store
from benchmarks.feeding import measure as measure_feeding
from benchmarks.preprocess import bare
from benchmarks.released_calls import measure as measure_released_calls
from benchmarks.results import medians
from benchmarks.stages import line
from benchmarks.step import measure as measure_step
from dwc.evaluation.recall import rank
from dwc.model.dwc import ModelConfig
from dwc.store.features import build_features
from dwc.store.pixels import build_pixels


def test_ranking_takes_less_than_twice_a_plain_product_and_topk() -> None:
    torch.manual_seed(0)
    queries, gallery = (normalize(torch.randn(size, 256), dim=1) for size in (512, 20_000))
    numbers = torch.arange(512)

    def ours() -> None:
        rank(queries, gallery, labels=torch.arange(20_000), target_labels=numbers, masked=numbers + 1)

    seconds = medians({"ours": ours, "plain": lambda: (queries @ gallery.T).topk(50, dim=1)}, repeats=5)
    assert seconds["ours"] < 2.0 * seconds["plain"]


def test_building_a_store_takes_less_than_twice_the_bare_loop(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    for number in range(20):
        picture = Image.fromarray(np.roll(noise, number, axis=0))
        picture.resize((400, 533), Image.Resampling.BICUBIC).save(tmp_path / f"{number}.jpg")
    paths = list(islice(cycle(sorted(tmp_path.glob("*.jpg"))), 120))

    def ours() -> None:
        (tmp_path / "pixels.npy").unlink(missing_ok=True)
        (tmp_path / "pixels.keys").unlink(missing_ok=True)
        assert build_pixels(paths, tmp_path / "pixels.npy", 64, workers=1) == len(paths)

    functions = {"ours": ours, "bare": lambda: bare(paths, 64)}
    seconds = medians(functions, repeats=5, clock=time.process_time)  # what else runs makes threads wait
    assert seconds["ours"] < 2.0 * seconds["bare"]


def test_embedding_takes_less_than_twice_the_bare_forward(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 64, 5, stride=2), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    )
    pixels = np.random.default_rng(0).integers(0, 256, (128, 64, 64, 3), dtype=np.uint8)
    views = [view.permute(0, 3, 1, 2).float() for view in (torch.from_numpy(pixels),) * 2]

    @torch.no_grad()
    def encode(batch: Tensor) -> Tensor:
        return network(batch.permute(0, 3, 1, 2).float())

    def ours() -> None:
        for file in tmp_path.iterdir():
            file.unlink()
        build_features(
            tmp_path,
            pixels,
            [],
            dim=64,
            encoder="test",
            encode_images=encode,
            encode_texts=lambda texts: torch.zeros(len(texts), 64),
            batch_size=32,
        )

    @torch.no_grad()
    def bare_forward() -> None:
        for view in views:
            for batch in view.split(32):
                network(batch)

    seconds = medians({"ours": ours, "bare": bare_forward}, repeats=5)
    assert seconds["ours"] < 2.0 * seconds["bare"]


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Several threads wait for each other on a busy machine, and small operations more than large ones."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_a_step_takes_less_than_twice_the_bare_backbone() -> None:
    config = ModelConfig(
        backbone="resnet18", dim=256, words=2_000, word_dim=128, clip_dim=512, resolution=72, dropout=0.1
    )
    seconds = measure_step(config, 16, bf16=False, device=torch.device("cpu"), repeats=3)
    assert seconds["step"] < 2.0 * seconds["backbone"]


@pytest.mark.usefixtures("one_thread")
def test_the_released_codes_encoder_calls_take_half_as_long_again_as_a_step() -> None:
    seconds = measure_released_calls(2, torch.device("cpu"), repeats=1)
    assert seconds["released"] > 1.5 * seconds["float32"]


@pytest.mark.usefixtures("one_thread")
def test_real_batches_take_less_than_half_as_long_again_as_a_fixed_one(tmp_path: Path) -> None:
    setting = replace(DEMO, images=200, batch=16)
    store = write_store(tmp_path, setting)
    fixed, fed, _ = measure_feeding(
        store, setting, torch.device("cpu"), "disk", cold=False, steps=4, repeats=3
    )
    assert fed < 1.5 * fixed


def test_a_line_goes_through_its_points() -> None:
    assert line([1, 2, 4], [5.0, 7.0, 11.0]) == pytest.approx((3.0, 2.0))
