"""The tables: what the layout says of every image, with what its file turns out to be."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pandas as pd

from dwc.decoding import own_size_limit
from dwc.parallel import bounded_map
from dwc.schema import IMAGE_COLUMNS, TRIPLET_COLUMNS, RawData
from dwc.tables.lookalikes import difference, find_lookalikes
from dwc.tables.scan import Scan, scan

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Rows of the two tables that are not used, each with two more columns: cause (a kind) and reason.

    `no_longer_training` names images that stay, but in evaluation lists only.
    """

    triplets: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(columns=[*TRIPLET_COLUMNS, "cause", "reason"])
    )
    images: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(columns=[*IMAGE_COLUMNS, "cause", "reason"])
    )
    no_longer_training: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Tables:
    """The two tables and what goes with them, as in `RawData`; `left_out` is not saved.

    `images` has seven more columns: width, height (pixels, 0 where unreadable), digest (SHA-256 of the file
    in hex, null without a file), problem (what keeps the picture from being decoded, or null), fingerprint
    (see `fingerprint`, in hex, or null), link (where a link that leaves the data folder leads, or null) and
    spelling (in what the file's name differs from the id where it was found by that, or null).
    """

    images: pd.DataFrame
    triplets: pd.DataFrame
    relevant: dict[str, list[str]]
    noise: dict[str, list[str]]
    left_out: LeftOut = field(default_factory=LeftOut)


def build_tables(
    raw: RawData, root: Path, *, max_megapixels: float, progress: Progress | None = None
) -> Tables:
    """Read and decode every image file under `root` once; a larger one than `max_megapixels` is not decoded.

    An image that cannot be read raises nothing: its row says what the problem is. Beside the tables, memory
    does not grow with the number of images.
    """
    images = _with_lookalikes(raw.images, root)
    names = [name if isinstance(name, str) else None for name in images["path"]]
    work = partial(scan, root.resolve(), max_megapixels=max_megapixels)
    with own_size_limit(), ThreadPoolExecutor() as pool:  # Pillow decodes without the interpreter lock
        scans = list(_counted(bounded_map(pool, work, names), len(names), progress))
    columns = pd.DataFrame(scans, columns=list(Scan._fields), index=images.index)
    text = dict.fromkeys(("digest", "problem", "fingerprint", "link"), "str")
    return Tables(
        images=images.join(columns.astype(text)),
        triplets=raw.triplets,
        relevant=raw.relevant,
        noise=raw.noise,
        left_out=LeftOut(triplets=raw.left_out.assign(cause="layout")),
    )


def save_tables(tables: Tables, folder: Path) -> None:
    """Write the two tables, the rows left out of them, relevant.json and noise.json into the folder."""
    tables.images.to_parquet(folder / "images.parquet", index=False)
    tables.triplets.to_parquet(folder / "triplets.parquet", index=False)
    tables.left_out.images.to_parquet(folder / "left_out_images.parquet", index=False)
    tables.left_out.triplets.to_parquet(folder / "left_out_triplets.parquet", index=False)
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
        left_out=LeftOut(
            triplets=_read_parquet(folder / "left_out_triplets.parquet", "captions"),
            images=_read_parquet(folder / "left_out_images.parquet", "galleries"),
        ),
    )


def _with_lookalikes(images: pd.DataFrame, root: Path) -> pd.DataFrame:
    """Give images without a file the one that is there under another spelling, and say so in `spelling`."""
    found = find_lookalikes(images, root)
    names = images["image_id"].tolist()
    paths = [found.get(name, path) for name, path in zip(names, images["path"], strict=True)]
    spelling = [difference(name, found[name]) if name in found else None for name in names]
    return images.assign(
        path=pd.Series(paths, index=images.index, dtype="str"),
        spelling=pd.Series(spelling, index=images.index, dtype="str"),
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
