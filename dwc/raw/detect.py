"""Which layout a folder has, told from the names in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


class Detected(NamedTuple):
    """The layout of a folder, and the categories that it holds (none where the layout has no such thing)."""

    layout: str
    categories: tuple[str, ...]


def detect(root: Path) -> Detected:
    """Tell the layout. Raises ValueError where it is none, saying what was looked for."""
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder. Give the folder that holds the annotations.")
    found = _detect(root)
    if found is not None:
        return found
    below = [folder for folder in sorted(root.iterdir()) if folder.is_dir() and _detect(folder)]
    meant = f" Is {below[0]} meant?" if below else ""
    expected = "; ".join(f"{layout}: {sign}" for layout, (sign, _) in DETECTORS.items())
    raise ValueError(
        f"{root}: no known layout.{meant} Each has files to know it by: {expected}. See docs/data.md."
    )


def _detect(root: Path) -> Detected | None:
    for layout, (_, categories) in DETECTORS.items():
        found = categories(root)
        if found is not None:
            return Detected(layout, tuple(found))
    return None


def _named_between(pattern: str) -> Callable[[Path], list[str] | None]:
    """Categories from file names: what stands for the pattern's one `*`; null where no file fits."""
    before, after = Path(pattern).name.split("*")

    def categories(root: Path) -> list[str] | None:
        names = [path.name for path in root.glob(pattern)]
        return sorted(name.removeprefix(before).removesuffix(after) for name in names) or None

    return categories


def _any_of(*names: str) -> Callable[[Path], list[str] | None]:
    def categories(root: Path) -> list[str] | None:
        return [] if any((root / name).is_file() for name in names) else None

    return categories


DETECTORS: dict[str, tuple[str, Callable[[Path], list[str] | None]]] = {
    "fashioniq": ("captions/cap.<category>.train.json", _named_between("captions/cap.*.train.json")),
    "shoes": ("relative_captions_shoes.json", _any_of("relative_captions_shoes.json")),
    "fashion200k": (
        "labels/<category>_train_detect_all.txt",
        _named_between("labels/*_train_detect_all.txt"),
    ),
    "css": (
        "css_toy_dataset_novel2_small.dup.npy or css.json",
        _any_of("css_toy_dataset_novel2_small.dup.npy", "css.json"),
    ),
    "table": ("triplets.csv or triplets.parquet", _any_of("triplets.csv", "triplets.parquet")),
}
"""Layout -> the file it is known by, in words, and what finds its categories; null where it does not fit."""
