"""What `make repro` ends with: the figures of the last evaluation, and where its report lies."""

from __future__ import annotations

import json

from rich.console import Console

from dwc.evaluation.table import result_table
from flows.evaluate import EVALUATION
from flows.stage import BUILD


def show() -> None:
    """Print the result table and the paths of the reports. Raises ValueError where nothing was evaluated."""
    file = EVALUATION / "metrics.json"
    if not file.is_file():
        raise ValueError(f"{file}: no such file. Run `dvc repro` first.")
    console = Console()
    console.print(result_table(json.loads(file.read_text(encoding="utf-8"))))
    console.print(f"Report: {EVALUATION / 'report.html'}", highlight=False)
    console.print(f"Data:   {BUILD / 'validation' / 'report.html'}", highlight=False)
