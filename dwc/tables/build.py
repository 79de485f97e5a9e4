"""The tables: what the layout says of every image, with what its file turns out to be."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from dwc.schema import RawData
from dwc.tables.scan import Scan, scan, scanning

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Tables:
    """The two tables and what goes with them, as in `RawData`; `left_out` is not saved.

    `images` has four more columns: width, height (pixels, 0 where unreadable), digest (SHA-256 of the file
    in hex, null without a file) and problem (what keeps the picture from being decoded, or null).
    """

    images: pd.DataFrame
    triplets: pd.DataFrame
    relevant: dict[str, list[str]]
    noise: dict[str, list[str]]
    left_out: pd.DataFrame = field(default_factory=pd.DataFrame)


def build_tables(
    raw: RawData, root: Path, *, max_megapixels: float, progress: Progress | None = None
) -> Tables:
    """Read and decode every image file under `root` once; a larger one than `max_megapixels` is not decoded.

    An image that cannot be read raises nothing: its row says what the problem is.
    """
    paths = [root / path if isinstance(path, str) else None for path in raw.images["path"]]
    with scanning(), ThreadPoolExecutor() as pool:  # Pillow decodes without the interpreter lock
        jobs = pool.map(lambda path: scan(path, max_megapixels=max_megapixels), paths)
        scans = list(_counted(jobs, len(paths), progress))
    columns = pd.DataFrame(scans, columns=list(Scan._fields), index=raw.images.index)
    images = raw.images.join(columns.astype({"digest": "str", "problem": "str"}))
    return Tables(
        images=images,
        triplets=raw.triplets,
        relevant=raw.relevant,
        noise=raw.noise,
        left_out=raw.left_out,
    )


def save_tables(tables: Tables, folder: Path) -> None:
    """Write images.parquet, triplets.parquet, relevant.json and noise.json into the folder."""
    tables.images.to_parquet(folder / "images.parquet", index=False)
    tables.triplets.to_parquet(folder / "triplets.parquet", index=False)
    for name, lists in (("relevant", tables.relevant), ("noise", tables.noise)):
        text = json.dumps(lists, ensure_ascii=False, sort_keys=True, indent=0)
        (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def load_tables(folder: Path) -> Tables:
    """Read what `save_tables` wrote."""
    return Tables(
        images=_read_parquet(folder / "images.parquet", "galleries"),
        triplets=_read_parquet(folder / "triplets.parquet", "captions"),
        relevant=json.loads((folder / "relevant.json").read_text(encoding="utf-8")),
        noise=json.loads((folder / "noise.json").read_text(encoding="utf-8")),
    )


def _read_parquet(path: Path, list_column: str) -> pd.DataFrame:
    table = pd.read_parquet(path)
    table[list_column] = pd.Series(
        [list(items) for items in table[list_column]], index=table.index, dtype=object
    )
    return table


def _counted(scans: Iterable[Scan], total: int, progress: Progress | None) -> Iterable[Scan]:
    for done, result in enumerate(scans, start=1):
        yield result
        if progress is not None:
            progress(done, total)
