"""The data set layouts by name; each is one file of this package."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from dwc.raw import fashioniq
from dwc.schema import RawData

LAYOUTS: dict[str, Callable[[Path, Sequence[str]], RawData]] = {"fashioniq": fashioniq.read}


def read(layout: str, root: Path, categories: Sequence[str]) -> RawData:
    """Read the data set under `root` into the tables. Raises ValueError naming file, record and remedy."""
    if layout not in LAYOUTS:
        raise ValueError(f"data.layout: unknown layout `{layout}`. Known are {', '.join(sorted(LAYOUTS))}.")
    if not root.is_dir():
        raise ValueError(f"{root}: no such data folder. Fetch the data (`dvc pull`) or correct data.root.")
    return LAYOUTS[layout](root, categories)
