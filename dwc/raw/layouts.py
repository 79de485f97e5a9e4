"""The data set layouts by name; each is one file of this package."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from dwc.raw import css, fashion200k, fashioniq, shoes, table
from dwc.raw.fashion200k import PairSettings
from dwc.raw.table import TableColumns
from dwc.schema import RawData

Reader = Callable[[Path, Sequence[str]], RawData]

USUAL_PAIRS = PairSettings()
USUAL_COLUMNS = TableColumns()


def read(
    layout: str,
    root: Path,
    categories: Sequence[str],
    *,
    pairs: PairSettings = USUAL_PAIRS,
    columns: TableColumns = USUAL_COLUMNS,
) -> RawData:
    """Read the data set under `root` into the tables; no categories = all that are there.

    pairs: how the layout `fashion200k` draws training pairs; columns: the files of the layout `table`.
    Raises ValueError naming file, record and remedy.
    """
    readers = _readers(pairs, columns)
    if layout not in readers:
        raise ValueError(f"data.layout: unknown layout `{layout}`. Known are {', '.join(sorted(readers))}.")
    if not root.is_dir():
        raise ValueError(f"{root}: no such data folder. Fetch the data (`dvc pull`) or correct data.root.")
    return readers[layout](root, categories)


def _readers(pairs: PairSettings, columns: TableColumns) -> Mapping[str, Reader]:
    return {
        "css": css.read,
        "fashion200k": partial(fashion200k.read, pairs=pairs),
        "fashioniq": fashioniq.read,
        "shoes": shoes.read,
        "table": partial(table.read, columns=columns),
    }
