"""Batches that a thread prepares ahead, and pixels on the disk or on the device."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from dwc.model.inputs import CLIP_MEAN, CLIP_STD, normalise
from dwc.store.dataset import Store
from dwc.training import feeding
from dwc.training.augment import cut_views, draw_views
from dwc.training.batches import Batch, TripletBatches
from dwc.training.feeding import DevicePixels, DiskPixels, MappedRows, ahead, place_pixels
from tests.conftest import ROOT
from tests.training.test_training import IMAGES, SIDE, run, store

__all__ = ["store"]  # the fixture
CPU = torch.device("cpu")
FIELDS = ("reference", "target", "words", "mask", "clip_reference", "clip_text", "clip_target", "labels")


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "batches ahead"]


def test_items_come_in_order_and_the_thread_ends() -> None:
    assert list(ahead(iter(range(20)), 3)) == list(range(20))
    assert not threads()


def test_no_more_are_taken_ahead_than_allowed() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(10):
            taken.append(number)
            yield number

    with closing(ahead(items(), 2)) as fed:
        assert next(fed) == 0
        deadline = time.monotonic() + 5
        while len(taken) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.1)
        assert taken == [0, 1, 2]  # one was given, two wait
    assert not threads() and taken[-1] <= 3


def test_an_error_comes_out_as_it_is_behind_what_came_before_it() -> None:
    error = ValueError("row 7")

    def items() -> Iterator[int]:
        yield 1
        raise error

    fed = ahead(items(), 3)
    assert next(fed) == 1
    with pytest.raises(ValueError, match="row 7") as raised:
        next(fed)
    assert raised.value is error and not threads()


def test_rows_are_copies_of_those_in_the_file(store: Store) -> None:
    rows = np.array([3, 0, 3, 9])
    read = MappedRows(store.pixels).read(rows)
    assert np.array_equal(read.numpy(), np.load(store.pixels.filename)[rows])
    read.zero_()  # not the file's
    assert MappedRows(store.pixels).read(rows).any()
    for wrong in ([0, -1], [0, IMAGES]):
        with pytest.raises(IndexError, match=f"array of {IMAGES}"):
            MappedRows(store.pixels).read(np.array(wrong))


def batches(store: Store, where: feeding.Where = "disk", **changes: object) -> TripletBatches:
    options = {"batch_size": 4, "seed": 5, "flip": True, "crop_scale": 0.8, "rotation": 20.0, "side": 24}
    pixels = place_pixels(store.pixels, CPU, where)
    return TripletBatches(store, store.triplets, device=CPU, pixels=pixels, **options | changes)


def same(first: Batch, second: Batch) -> bool:
    return all(torch.equal(getattr(first, name), getattr(second, name)) for name in FIELDS)


def test_batches_are_the_same_from_the_disk_and_from_the_device(store: Store) -> None:
    assert isinstance(place_pixels(store.pixels, CPU, "auto"), DiskPixels)
    assert isinstance(place_pixels(store.pixels, CPU, "device"), DevicePixels)
    pairs = list(zip(batches(store).epoch(2), batches(store, "device").epoch(2), strict=True))
    assert len(pairs) == 3 and all(same(*pair) for pair in pairs)


def test_mirroring_a_batch_leaves_the_kept_pixels_as_they_are(store: Store) -> None:
    kept = DevicePixels(store.pixels, CPU)
    fed = TripletBatches(
        store, store.triplets, batch_size=4, seed=5, flip=True, crop_scale=1.0, device=CPU, pixels=kept
    )
    assert len(list(fed.epoch(0))) == 3
    assert np.array_equal(kept.pixels.numpy(), store.pixels)


def test_the_store_is_put_on_the_device_in_parts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding, "_CHUNK_BYTES", 3 * SIDE * SIDE * 3)
    assert np.array_equal(DevicePixels(store.pixels, CPU).pixels.numpy(), store.pixels)


@pytest.mark.parametrize(("share", "expected"), [(0.49, DevicePixels), (0.51, DiskPixels)])
def test_a_gpu_keeps_the_store_where_it_takes_at_most_half_of_what_is_free(
    share: float, expected: type, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = int(store.pixels.nbytes / share)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 10 * free))
    monkeypatch.setattr(feeding, "DevicePixels", lambda pixels, device: DevicePixels(pixels, CPU))
    assert isinstance(place_pixels(store.pixels, torch.device("cuda"), "auto"), expected)


def test_batches_are_those_of_the_plain_recipe(store: Store) -> None:
    """Mirror, standardise and cut, written down without any haste."""
    fed = batches(store)
    for got, plain in zip(fed.epoch(1), fed._prepared(1), strict=True):
        images = plain.reference
        pixels = images.fetched.clone()
        for row in images.mirrored.tolist():
            pixels[row] = pixels[row].flip(1)
        colours = torch.tensor([CLIP_MEAN, CLIP_STD])[:, :, None, None] * 255.0
        standard = (pixels.permute(0, 3, 1, 2).float() - colours[0]) / colours[1]
        assert images.views is not None
        grid = F.affine_grid(images.views, [4, 3, 24, 24], align_corners=False)
        expected = F.grid_sample(standard, grid, padding_mode="reflection", align_corners=False)
        torch.testing.assert_close(got.reference, expected, rtol=0, atol=1e-5)


def test_views_lie_where_pytorch_puts_them() -> None:
    views = draw_views(5, 32, smallest_area=0.3, rotation=90.0, generator=torch.Generator().manual_seed(1))
    images = torch.rand(5, 3, 32, 32)
    assert views is not None
    grid = F.affine_grid(views, [5, 3, 20, 20], align_corners=False)
    expected = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    torch.testing.assert_close(cut_views(images, views, 20), expected, rtol=0, atol=1e-5)


def test_standardised_pixels_lie_channels_last() -> None:
    pixels = torch.randint(0, 256, (2, 8, 8, 3), dtype=torch.uint8)
    images = normalise(pixels)
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert images[1, 2, 3, 4] == pytest.approx((pixels[1, 3, 4, 2].item() / 255 - CLIP_MEAN[2]) / CLIP_STD[2])


def test_the_thread_ahead_starts_no_team_of_threads(tmp_path: Path) -> None:
    """A second OpenMP team slows every barrier of the training's own."""
    program = """if True:
        import os, pathlib, sys, time, torch
        from benchmarks.feeding import DEMO, Setting, write_store
        from dwc.training.batches import TripletBatches
        torch.set_num_threads(2)
        store = write_store(pathlib.Path(sys.argv[1]), Setting(**{**vars(DEMO), "images": 640}))
        fed = TripletBatches(store, store.triplets, batch_size=64, seed=1, flip=True, crop_scale=0.7,
                             rotation=10.0, device=torch.device("cpu"))
        fed._on_device(next(fed._prepared(0)))  # the training's own team
        before = len(os.listdir("/proc/self/task"))
        ahead = fed.epoch(0)
        next(ahead)
        time.sleep(0.3)
        print(len(os.listdir("/proc/self/task")) - before)
    """
    command = [sys.executable, "-c", program, str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT, check=True)
    assert int(done.stdout) == 1


def test_a_training_that_fails_leaves_no_thread_behind(store: Store, tmp_path: Path) -> None:
    store.clip_texts = np.full_like(store.clip_texts, np.nan)
    with pytest.raises(ValueError, match="not a number"):
        run(store, tmp_path, 1)
    assert not threads()
