"""The two tables, put together from what a layout has read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from dwc.schema import IMAGE_COLUMNS, TRIPLET_COLUMNS

NOTHING: Mapping[str, str] = {}


def image_table(
    lists: Mapping[str, Iterable[str]],
    files: Mapping[str, str],
    *,
    titles: Mapping[str, str] = NOTHING,
    labels: Mapping[str, str] = NOTHING,
) -> pd.DataFrame:
    """One row per image, in the order of first mention, with every list that it stands in.

    lists: gallery -> image ids; files, titles, labels: by image id. An image without a file has a null path,
    one without a label is its own.
    """
    galleries: dict[str, list[str]] = {}
    for gallery, ids in lists.items():
        for name in ids:
            galleries.setdefault(name, []).append(gallery)
    rows = [
        (name, files.get(name), where, labels.get(name, name), titles.get(name))
        for name, where in galleries.items()
    ]
    return pd.DataFrame(list(rows), columns=list(IMAGE_COLUMNS)).astype({"path": "str", "title": "str"})


def triplet_table(rows: Iterable[Mapping[str, Any]], *more: str) -> pd.DataFrame:
    """Triplets with the columns of the schema, and the further ones named."""
    return pd.DataFrame(list(rows), columns=[*TRIPLET_COLUMNS, *more])
