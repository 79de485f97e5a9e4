"""The stages before training on a catalogue of FashionIQ's size: time and peak memory of each.

FashionIQ's real annotations; real photographs, linked under the names of the missing ones, since FashionIQ's
own images are only links. A fraction of it shows what grows with the number of images.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import cycle
from pathlib import Path

from benchmarks.results import arguments, report
from dwc.parameters import change_parameters

ROOT = Path(__file__).resolve().parent.parent
STAGES = ("validate", "preprocess", "embed")
_MEASURED = """
import resource, runpy, sys
sys.argv = ["flows", sys.argv[1]]
try:
    runpy.run_module("flows", run_name="__main__")
finally:
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print("PEAK", max(own.ru_maxrss, children.ru_maxrss), file=sys.stderr)
"""


def link_images(annotations: Path, photographs: Path, data: Path, share: float) -> int:
    """Write a FashionIQ folder with a share of every image list; returns its number of images."""
    pictures = cycle(sorted(path for path in photographs.rglob("*") if path.is_file()))
    (data / "images").mkdir(parents=True)
    kept: dict[str, set[str]] = {}
    for split in sorted((annotations / "image_splits").iterdir()):
        names = json.loads(split.read_text())
        kept[split.name.removeprefix("split.")] = set(names[: round(share * len(names))])
        write(data / "image_splits" / split.name, names[: round(share * len(names))])
    for captions in sorted((annotations / "captions").iterdir()):
        known = kept[captions.name.removeprefix("cap.")]
        records = json.loads(captions.read_text())
        whole = [r for r in records if {r["candidate"], r.get("target") or r["candidate"]} <= known]
        write(data / "captions" / captions.name, whole)
    images = sorted(set().union(*kept.values()))
    for name in images:
        (data / "images" / f"{name}.jpg").symlink_to(next(pictures))
    return len(images)


def write(file: Path, content: object) -> None:
    """Write a JSON file with its folder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))


def run(stage: str, project: Path) -> tuple[float, float, float]:
    """Run a stage's flow; returns seconds, processor seconds, and peak resident memory in MB."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, stage], cwd=project, stderr=subprocess.PIPE, text=True, check=False
    )
    seconds, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{stage} failed:\n{done.stderr}")
    peak = next(line for line in done.stderr.splitlines() if line.startswith("PEAK"))
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, processor, int(peak.split()[1]) / 1024


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--annotations", type=Path, required=True, help="FashionIQ's folder of annotations")
    parser.add_argument("--photographs", type=Path, required=True, help="folder of any photographs")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.1, 1.0], help="of every image list")
    parser.add_argument("--resolution", type=int, default=224)
    parser.add_argument(
        "--set",
        dest="overrides",
        nargs="*",
        default=["embed.architecture=presets/clip/small-resnet18.json", "embed.weights=null"],
    )
    options = parser.parse_args()
    rows = []
    for share in options.shares:
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            project = Path(folder) / "project"
            subprocess.run(["git", "clone", "--quiet", str(ROOT), str(project)], check=True)
            images = link_images(options.annotations, options.photographs, project / "data", share)
            shutil.copyfile(project / "presets" / "fashioniq.yaml", project / "params.yaml")
            overrides = [*options.overrides, f"preprocess.resolution={options.resolution}"]
            change_parameters(project / "params.yaml", None, overrides)
            for stage in STAGES:
                seconds, processor, memory = run(stage, project)
                rows.append([stage, images, seconds, processor, images / seconds, memory])
                print(rows[-1], flush=True)
            print(shutil.disk_usage(project).free >> 30, "GB of disk are left", flush=True)
    report(
        "catalogue_size",
        f"Stages before training, FashionIQ's annotations, {options.resolution} px",
        ["stage", "images", "seconds", "processor seconds", "images/s", "peak memory, MB"],
        rows,
        write=options.write,
        notes=f"With {', '.join(options.overrides)}; {os.cpu_count()} cores.",
    )


if __name__ == "__main__":
    main()
