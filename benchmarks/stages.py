"""Running the pipeline's stages on catalogues made for measuring, and lines through what they took."""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import numpy as np

from dwc.parameters import change_parameters

ROOT = Path(__file__).resolve().parent.parent
STAGES = ("validate", "preprocess", "embed")
SMALL_CLIP = ("embed.architecture=presets/clip/small-resnet18.json", "embed.weights=null")
_MEASURED = """
import resource, runpy, sys
sys.argv = ["flows", sys.argv[1]]
try:
    runpy.run_module("flows", run_name="__main__")
finally:
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print("PEAK", max(own.ru_maxrss, children.ru_maxrss), file=sys.stderr)
"""


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What a program took: seconds, seconds of processors, and peak resident memory of its largest process,
    MB. Pages of mapped files count as resident while they are mapped."""

    seconds: float
    processor: float
    memory: float


def new_project(folder: Path, preset: str, overrides: Sequence[str]) -> Path:
    """A clone of this repository as it is committed, with a preset's parameters and changes to them."""
    project = folder / "project"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(project)], check=True)
    shutil.copyfile(project / "presets" / f"{preset}.yaml", project / "params.yaml")
    change_parameters(project / "params.yaml", None, list(overrides))
    return project


def link_pictures(photographs: Path, names: Iterable[str], folder: Path) -> None:
    """Give every name a picture: hard links to copies of the photographs, which take turns.

    Each link is a file of its own to the stages; only the disk and its cache hold each photograph once.
    """
    folder.mkdir(parents=True)
    copies = folder.parent.parent / "photographs"
    copies.mkdir()
    for number, photograph in enumerate(sorted(path for path in photographs.rglob("*") if path.is_file())):
        shutil.copyfile(photograph, copies / f"{number}")
    pictures = cycle(sorted(copies.iterdir()))
    for name in names:
        (folder / f"{name}.jpg").hardlink_to(next(pictures))


def run_stage(stage: str, project: Path) -> Taken:
    """Run a stage's flow in a process of its own."""
    return run([sys.executable, "-c", _MEASURED, stage], project)


def run(command: Sequence[str], folder: Path) -> Taken:
    """Run a program that prints a line `PEAK`, with kB, to its error output."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, cwd=folder, stderr=subprocess.PIPE, text=True, check=False)
    seconds, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    peak = next(line for line in done.stderr.splitlines() if line.startswith("PEAK"))
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Taken(seconds=seconds, processor=processor, memory=int(peak.split()[1]) / 1024)


def line(sizes: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """Intercept and slope of the least-squares line."""
    slope, intercept = np.polyfit(np.asarray(sizes, dtype=np.float64), np.asarray(values), 1)
    return float(intercept), float(slope)
