"""The stages before training on a catalogue of FashionIQ's size: time and peak memory of each.

FashionIQ's real annotations; real photographs, linked under the names of the missing ones, since FashionIQ's
own images are only links. A share of it shows what grows with the number of images.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.results import arguments, report
from benchmarks.stages import SMALL_CLIP, STAGES, line, link_pictures, new_project, run_stage

T = TypeVar("T")


def write_fashioniq(annotations: Path, photographs: Path, data: Path, share: float) -> int:
    """Write a FashionIQ folder with a share of every list of triplets and of images; returns its images."""
    images: set[str] = set()
    for split in sorted((annotations / "image_splits").iterdir()):
        captions = f"cap.{split.name.removeprefix('split.')}"
        records = first(json.loads((annotations / "captions" / captions).read_text()), share)
        names = json.loads(split.read_text())
        used = {record[end] for record in records for end in ("candidate", "target") if record.get(end)}
        filled = used | set(first([name for name in names if name not in used], share, less=len(used)))
        write(data / "image_splits" / split.name, [name for name in names if name in filled])
        write(data / "captions" / captions, records)
        images |= filled
    link_pictures(photographs, sorted(images), data / "images")
    return len(images)


def first(entries: list[T], share: float, less: int = 0) -> list[T]:
    """The beginning of a list: a share of it, and `less` entries less than a share of both."""
    return entries[: max(0, round(share * (len(entries) + less)) - less)]


def write(file: Path, content: object) -> None:
    """Write a JSON file with its folder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--annotations", type=Path, required=True, help="FashionIQ's folder of annotations")
    parser.add_argument("--photographs", type=Path, required=True, help="folder of any photographs")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.1, 0.3, 1.0], help="of every list")
    parser.add_argument("--resolution", type=int, default=224)
    parser.add_argument("--set", dest="overrides", nargs="*", default=[*SMALL_CLIP])
    options = parser.parse_args()
    overrides = [*options.overrides, f"preprocess.resolution={options.resolution}"]
    rows = []
    for share in options.shares:
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            project = new_project(Path(folder), "fashioniq", overrides)
            images = write_fashioniq(options.annotations, options.photographs, project / "data", share)
            for stage in STAGES:
                taken = run_stage(stage, project)
                pace = images / taken.processor
                rows.append([stage, images, taken.seconds, taken.processor, pace, taken.memory])
                print(rows[-1], flush=True)
    report(
        "catalogue_size",
        f"Stages before training, FashionIQ's annotations, {options.resolution} px",
        ["stage", "images", "seconds", "processor seconds", "images a processor second", "peak memory, MB"],
        rows,
        write=options.write,
        notes=f"With {', '.join(options.overrides)}; {os.cpu_count()} cores. Where the machine had other "
        f"work too, only the processor seconds say something. {fitted(rows)}",
    )


def fitted(rows: list[list[Any]]) -> str:
    """Lines through processor seconds and peak memory of each stage, where there is more than one size."""
    lines = []
    for stage in STAGES:
        sizes, seconds, memory = ([row[column] for row in rows if row[0] == stage] for column in (1, 3, 5))
        if len(set(sizes)) > 1:
            (fixed, each), (held, more) = line(sizes, seconds), line(sizes, memory)
            lines.append(
                f"{stage} {fixed:.1f} s + {1000 * each:.2f} s and {held:,.0f} MB {1000 * more:+.2f} MB"
            )
    return f"Fitted, the second term for every 1,000 images: {'; '.join(lines)}." if lines else ""


if __name__ == "__main__":
    main()
