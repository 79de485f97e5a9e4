"""Training with real batches against the same steps with one batch that lies in memory."""

from __future__ import annotations

import json
import mmap
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.results import arguments, report
from dwc.model.dwc import DWC, ModelConfig
from dwc.model.precision import uses_bf16
from dwc.store.dataset import Store
from dwc.training.batches import Batch, TripletBatches
from dwc.training.feeding import Where, place_pixels
from dwc.training.optimiser import build_adam
from dwc.training.step import LossSettings, Optimisers, alternating_step

WORDS, LENGTH = 2_000, 20


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is trained, on how many stored images."""

    name: str
    backbone: str
    dim: int
    clip_dim: int
    stored_side: int
    side: int | None
    batch: int
    images: int
    augment: dict[str, float]


DEMO = Setting(
    name="demo: ResNet-18, 96 px, views of 72",
    backbone="resnet18",
    dim=256,
    clip_dim=512,
    stored_side=96,
    side=72,
    batch=64,
    images=40_000,
    augment={"crop_scale": 0.7, "rotation": 10.0},
)
PAPER = Setting(
    name="paper: ResNet-50, 224 px",
    backbone="resnet50",
    dim=1024,
    clip_dim=1024,
    stored_side=224,
    side=None,
    batch=32,
    images=10_000,
    augment={"crop_scale": 1.0, "rotation": 0.0},
)


def write_store(folder: Path, setting: Setting) -> Store:
    """A store of noise: as many triplets as images, each with a text of its own."""
    random, count = np.random.default_rng(0), setting.images
    shape = (count, setting.stored_side, setting.stored_side, 3)
    pixels = np.lib.format.open_memmap(folder / "pixels.npy", mode="w+", dtype=np.uint8, shape=shape)
    for start in range(0, count, 1000):
        pixels[start : start + 1000] = random.integers(0, 256, pixels[start : start + 1000].shape, np.uint8)
    pixels.flush()
    (folder / "images.json").write_text(json.dumps([str(row) for row in range(count)]))
    words = [random.integers(5, WORDS, random.integers(4, LENGTH)) for _ in range(count)]
    pd.DataFrame({"text": "words", "words": words}).to_parquet(folder / "texts.parquet")
    targets = random.permutation(count)
    columns = {"triplet_id": [str(row) for row in range(count)], "category": "dress", "split": "train"}
    rows = {"reference": np.arange(count), "target": targets, "label": targets}
    texts = {"texts": [[row] for row in range(count)]}
    pd.DataFrame(columns | rows | texts).to_parquet(folder / "triplets.parquet")
    for name in ("images", "mirrored", "texts"):
        np.save(folder / f"{name}.npy", random.standard_normal((count, setting.clip_dim)).astype(np.float32))
    return Store(folder, folder)


def stepper(setting: Setting, device: torch.device) -> Callable[[Batch], None]:
    """One alternating step, which is waited for."""
    torch.manual_seed(0)
    config = ModelConfig(
        backbone=setting.backbone,  # type: ignore[arg-type]
        dim=setting.dim,
        words=WORDS,
        word_dim=setting.dim // 2,
        clip_dim=setting.clip_dim,
        resolution=setting.stored_side,
        dropout=0.1,
    )
    model = DWC(config).to(device, memory_format=torch.channels_last).train()
    adams = [
        build_adam(s.parameters(), learning_rate=1e-5, weight_decay=0.0) for s in (model.cnn, model.clip)
    ]
    optimisers, bf16 = Optimisers(*adams), uses_bf16("auto", device)

    def step(batch: Batch) -> None:
        alternating_step(model, batch, optimisers, LossSettings(), clip_gradient_norm=5.0, bf16=bf16)

    return step


def forget(store: Store) -> None:
    """Drop the store's arrays from memory: the next read of any row waits for the disk."""
    for array in (store.pixels, store.clip_images, store.clip_mirrored, store.clip_texts):
        array.base.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]
        with Path(array.filename).open("rb") as file:  # type: ignore[attr-defined]
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def from_disk() -> int:
    """Bytes that this process has had read from the disk."""
    lines = Path("/proc/self/io").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("read_bytes")).split()[1])


def measure(
    store: Store,
    setting: Setting,
    device: torch.device,
    where: Where,
    *,
    cold: bool,
    steps: int,
    repeats: int,
) -> tuple[float, float, float]:
    """Median seconds of a step with one batch and with fed ones, and MB that a fed one took from the disk."""
    batches = TripletBatches(
        store,
        store.triplets,
        batch_size=setting.batch,
        seed=1,
        flip=True,
        side=setting.side,
        **setting.augment,
        device=device,
        pixels=place_pixels(store.pixels, device, where),
    )
    step = stepper(setting, device)
    with closing(batches.epoch(0)) as epoch:
        fixed = next(epoch)
    seconds: dict[str, list[float]] = {"fixed": [], "fed": []}
    read: list[float] = []
    for repeat in range(repeats + 1):
        for name in seconds:
            if cold:
                forget(store)
            before, started = from_disk(), time.perf_counter()
            with closing(batches.epoch(repeat)) as epoch:
                for _ in range(steps):
                    step(next(epoch) if name == "fed" else fixed)
                if device.type == "cuda":
                    torch.cuda.synchronize()
                taken = time.perf_counter() - started
            if repeat:  # the first turn warms caches
                seconds[name].append(taken / steps)
                if name == "fed":
                    read.append((from_disk() - before) / steps / 1e6)
    return statistics.median(seconds["fixed"]), statistics.median(seconds["fed"]), statistics.median(read)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--steps", type=int, default=12, help="of each turn")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--paper", action="store_true", help="the paper's sizes, not the demo's")
    parser.add_argument("--images", type=int, help="in the store")
    parser.add_argument("--folder", type=Path, help="for the store; on a disk, not in memory")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    device = torch.device(options.device)
    setting = PAPER if options.paper else DEMO
    if options.images:
        setting = Setting(**{**vars(setting), "images": options.images})
    rows = []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        store = write_store(Path(folder), setting)
        kinds: list[tuple[str, Where, bool]] = [
            ("file, in the system's cache", "disk", False),
            ("file, every row from the disk", "disk", True),
            ("kept whole on the device", "device", False),
        ]
        for name, where, cold in kinds:
            fixed, fed, read = measure(
                store, setting, device, where, cold=cold, steps=options.steps, repeats=options.repeats
            )
            rows.append([name, fixed, fed, fixed / fed, read])
            print(rows[-1], flush=True)
    report(
        "feeding",
        f"Feeding: {setting.name}, batch {setting.batch}, {setting.images:,} images, {device.type}",
        ["store", "one batch, s", "real batches, s", "speed kept", "MB from disk per step"],
        rows,
        write=options.write,
        notes=f"{options.repeats} turns of {options.steps} alternating steps each; a turn with real batches "
        "begins an epoch, and waits for its first batch. For a store larger than the memory, its files are "
        "dropped from the system's cache before every turn, so that every row comes from the disk.",
    )


if __name__ == "__main__":
    main()
