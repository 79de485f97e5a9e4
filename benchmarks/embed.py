"""Embedding a store, against the bare forward of the same CLIP over the same pictures and mirror images."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.results import Clock, arguments, medians, report
from dwc.model.clip import FrozenClip
from dwc.store.features import build_features
from dwc.store.pixels import open_pixels


def measure(
    clip: FrozenClip, side: int, images: int, batch_size: int, repeats: int, clock: Clock
) -> dict[str, float]:
    """Median seconds of both; the bare forward has its batches standardised and in memory."""
    pixels = np.random.default_rng(0).integers(0, 256, (images, side, side, 3), dtype=np.uint8)
    whole = torch.from_numpy(pixels)
    ready = [
        clip.images(view) for batch in whole.split(batch_size) for view in (batch, batch.flip(2).contiguous())
    ]

    @torch.no_grad()
    def bare() -> None:
        for batch in ready:
            clip.network.encode_image(batch)  # type: ignore[operator]

    with tempfile.TemporaryDirectory(dir=Path.cwd()) as place:
        np.save(Path(place) / "pixels.npy", pixels)

        def features() -> None:
            with tempfile.TemporaryDirectory(dir=place) as folder:
                build_features(
                    Path(folder),
                    open_pixels(Path(place) / "pixels.npy"),
                    [],
                    dim=clip.dim,
                    encoder="measured",
                    encode_images=clip.encode_images,
                    encode_texts=clip.encode_texts,
                    batch_size=batch_size,
                )

        return medians({"features": features, "bare": bare}, repeats=repeats, clock=clock)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--architectures", nargs="+", default=["presets/clip/small-resnet18.json", "RN50"])
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--processor-time", action="store_true", help="where the machine has other work")
    options = parser.parse_args()
    clock = time.process_time if options.processor_time else time.perf_counter
    unit = "processor s" if options.processor_time else "s"
    rows = []
    for architecture in options.architectures:
        torch.manual_seed(0)
        clip = FrozenClip.create(architecture, None)
        seconds = measure(clip, clip.side, options.images, options.batch, options.repeats, clock)
        rows.append(
            [
                f"{Path(architecture).stem}, {clip.side} px",
                *(options.images / seconds[name] for name in ("features", "bare")),
                seconds["bare"] / seconds["features"],
            ]
        )
        print(rows[-1], flush=True)
    report(
        "embed",
        f"Embedding pictures and mirror images, {torch.get_num_threads()} threads, by {unit}",
        ["CLIP", f"build_features, pictures/{unit}", f"bare forward, pictures/{unit}", "ratio"],
        rows,
        write=options.write,
        notes=f"{options.images:,} pictures, float32, random weights; pixels stored at the CLIP's own side. "
        f"The bare forward finds its batches of {options.batch} standardised in memory; the store is read, "
        "mirrored, keyed and written.",
    )


if __name__ == "__main__":
    main()
