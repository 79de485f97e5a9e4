"""A project whose stages take a blink, for what is DVC's and git's part of a study: real clone, real DVC.

Its one step file counts how often each stage ran, waits while $TOY/hold exists, and fails at a batch of 999.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

STEP = """\
import json, os, pathlib, sys, time
import pandas as pd
import yaml

toy, stage = pathlib.Path(os.environ["TOY"]), sys.argv[1]
with (toy / "ran.txt").open("a") as file:
    file.write(f"{stage} {os.environ.get('DVC_EXP_NAME', '')}\\n")
train = yaml.safe_load(open("params.yaml"))["train"]
build = pathlib.Path("build")
if stage == "embed":
    (build / "features").mkdir(parents=True, exist_ok=True)
    (build / "features/clip.txt").write_text(open("data/a.txt").read())
elif stage == "train":
    while (toy / "hold").exists() and train["seed"] == 2:
        time.sleep(0.05)
    if train["batch_size"] == 999:
        sys.exit("Error: train.batch_size = 999 is too large.")
    (build / "model").mkdir(exist_ok=True)
    (build / "model/rank.txt").write_text("3" if train["loss"]["alpha"] else "30")
else:
    rank = int((build / "model/rank.txt").read_text())
    folder = build / "evaluation"
    folder.mkdir(exist_ok=True)
    systems = ("fused", "cnn", "clip")
    rows = [{"triplet_id": "a.val.000000", "category": "a", "system": name, "rank": rank} for name in systems]
    pd.DataFrame(rows).to_parquet(folder / "rankings.parquet")
    values = {name: {"value": float(rank <= 10), "low": 0.0, "high": 1.0} for name in ("recall_at_10", "mrr")}
    (folder / "metrics.json").write_text(json.dumps({
        "protocol": {"key": "val"}, "bootstrap": {"confidence": 0.95},
        "primary_metric": "recall_at_10", "queries": 1,
        "systems": {name: {"mean": values} for name in systems},
        "image_weight": {"cnn": {"mean": 0.5}, "clip": {"mean": 0.5}},
    }))
"""
GRAPH = """\
stages:
  embed:
    cmd: python step.py embed
    deps: [data, step.py]
    params: [preprocess]
    outs: [build/features: {persist: true, push: false}]
  train:
    cmd: python step.py train
    deps: [build/features, step.py]
    params: [train]
    outs: [build/model: {persist: true, push: false}]
  evaluate:
    cmd: python step.py evaluate
    deps: [build/model]
    outs: [build/evaluation: {persist: true, push: false}]
"""
PARAMS = """\
preprocess: {resolution: 96}
train: {seed: 1, batch_size: 4, loss: {alpha: 0.2}}
evaluate: {bootstrap: {resamples: 20}}
"""
STUDIES = """\
setting: {description: tiny, parameters: {preprocess.resolution: 32}}
seeds: [1, 2]
measures: [recall_at_10]
studies:
  labels:
    title: Labels
    question: Soft or hard?
    variants:
      soft: {}
      hard: {train.loss.alpha: 0}
  batch:
    title: Batch
    question: How large?
    variants:
      small: {}
      large: {train.batch_size: 999}
"""


@dataclass(frozen=True)
class Toy:
    """The project, and how to use it."""

    root: Path

    @property
    def documents(self) -> Path:
        return self.root / "docs/studies"

    @property
    def hold(self) -> Path:
        return self.root / "hold"

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `dwc study …`."""
        return subprocess.Popen(
            [sys.executable, "-m", "flows.cli", "study", *arguments],
            cwd=self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def study(self, *arguments: str) -> tuple[int, str]:
        """Run `dwc study …` to its end: exit status and output."""
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=300)
        return process.returncode, output

    def ran(self) -> list[str]:
        """Stage and experiment of every stage run so far."""
        file = self.root / "ran.txt"
        return file.read_text(encoding="utf-8").splitlines() if file.exists() else []

    def git(self, *arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=self.root, capture_output=True, text=True, check=True
        ).stdout


def make_toy(root: Path) -> Toy:
    """Write and commit the project."""
    for part in (".dvc/config", ".dvcignore"):
        (root / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / part, root / part)
    files = {"step.py": STEP, "dvc.yaml": GRAPH, "params.yaml": PARAMS, "studies.yaml": STUDIES}
    for name, text in files.items():
        (root / name).write_text(text, encoding="utf-8")
    (root / ".gitignore").write_text("/build/\n/data\n/ran.txt\n/hold\n/.dvc/tmp\n/.dvc/cache\n/.mlflow/\n")
    (root / "data").mkdir()
    (root / "data/a.txt").write_text("a")
    toy = Toy(root)
    toy.git("init", "--quiet")
    subprocess.run(["dvc", "add", "--quiet", "data"], cwd=root, check=True)
    toy.git("add", "--all")
    toy.git("commit", "--quiet", "--message", "start")
    return toy
