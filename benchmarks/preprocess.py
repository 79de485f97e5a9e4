"""Building the pixel store, against a bare Pillow loop of the same work and a plain DataLoader.

The bare loop decodes at a reduced scale, resizes and crops: no key, no file, one process; all
cores can at best be as fast as so many of it. The DataLoader decodes in full, as torchvision's datasets do.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from benchmarks.results import Clock, arguments, medians, report
from dwc.store.pixels import build_pixels


class Photographs(Dataset[torch.Tensor]):
    """What a straightforward training script reads."""

    def __init__(self, paths: Sequence[Path], side: int) -> None:
        self._paths = paths
        bicubic = v2.InterpolationMode.BICUBIC
        self._transform = v2.Compose([v2.Resize(side, bicubic), v2.CenterCrop(side), v2.PILToTensor()])

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, number: int) -> torch.Tensor:
        with Image.open(self._paths[number]) as picture:
            pixels: torch.Tensor = self._transform(picture.convert("RGB"))
        return pixels


def bare(paths: Sequence[Path], side: int) -> None:
    """Decode every picture as the store does, and nothing more."""
    for path in paths:
        with Image.open(path) as picture:
            scale = 2 * side / min(picture.size)
            picture.draft("RGB", (round(picture.width * scale), round(picture.height * scale)))
            np.asarray(ImageOps.fit(picture.convert("RGB"), (side, side), Image.Resampling.BICUBIC))


def load(paths: Sequence[Path], side: int) -> None:
    for _ in DataLoader(Photographs(paths, side), batch_size=64, num_workers=0):
        pass


def build(paths: Sequence[Path], side: int, workers: int | None = None) -> None:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        build_pixels(paths, Path(folder) / "pixels.npy", side, workers=workers)


def measure(paths: Sequence[Path], side: int, repeats: int, clock: Clock) -> dict[str, float]:
    """Median seconds of each; the repository's own with one worker for each core."""
    return medians(
        {
            "store": lambda: build(paths, side),
            "bare": lambda: bare(paths, side),
            "loader": lambda: load(paths, side),
        },
        repeats=repeats,
        clock=clock,
    )


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--photographs", type=Path, required=True, help="folder of any photographs")
    parser.add_argument("--images", type=int, default=1200, help="the photographs take turns")
    parser.add_argument("--sides", type=int, nargs="+", default=[64, 224])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--processor-time", action="store_true", help="where the machine has other work")
    options = parser.parse_args()
    clock = time.process_time if options.processor_time else time.perf_counter
    files = sorted(path for path in options.photographs.rglob("*") if path.is_file())
    paths = list(islice(cycle(files), options.images))
    cores = 1 if options.processor_time else os.cpu_count() or 1
    unit = "processor s" if options.processor_time else "s"
    rows = []
    for side in options.sides:
        seconds = measure(paths, side, options.repeats, clock)
        rows.append(
            [
                f"{side} px",
                *(len(paths) / seconds[name] for name in ("store", "bare", "loader")),
                seconds["bare"] / seconds["store"] / cores,
                seconds["loader"] / seconds["store"],
            ]
        )
    report(
        "preprocess",
        f"Building the pixel store, {len(paths):,} photographs, by {unit}",
        [
            "side",
            f"store, images/{unit}",
            f"bare Pillow loop, images/{unit}",
            f"DataLoader, images/{unit}",
            f"store / ({cores} x bare loop)",
            "store / DataLoader",
        ],
        rows,
        write=options.write,
        notes="The bare loop and the DataLoader (num_workers = 0, full decoding) run in one process.",
    )


if __name__ == "__main__":
    main()
