"""Names that differ only in what people do not see: letter case, Unicode form (é as one sign or two), suffix.

Copying pictures between systems changes all three, and then an id has no file although its picture is there.
"""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

import pandas as pd

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")


def fold(name: str) -> str:
    """What is left of a name without letter case and Unicode form."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def find_lookalikes(images: pd.DataFrame, root: Path) -> dict[str, str]:
    """Image id -> file under another spelling, for images whose path is null.

    Only where there is one such file, which belongs to no other image, and no other id that it could mean.
    """
    missing = images.loc[images["path"].isna(), "image_id"].tolist()
    if not missing:
        return {}
    meant = Counter(fold(name) for name in images["image_id"])
    files = _unclaimed_files(root, images["path"].dropna())
    found = {name: files.get(fold(name), []) for name in missing}
    return {name: paths[0] for name, paths in found.items() if len(paths) == 1 and meant[fold(name)] == 1}


def difference(image_id: str, path: str) -> str:
    """What sets the file's name apart from the id, in words."""
    stem = PurePosixPath(path).stem
    if stem == image_id:
        return f"suffix {PurePosixPath(path).suffix}"
    same_form = unicodedata.normalize("NFC", stem) == unicodedata.normalize("NFC", image_id)
    return "Unicode form" if same_form else "letter case"


def alike(names: Iterable[str]) -> dict[str, str]:
    """Name -> another of the names that differs from it only in letter case or Unicode form."""
    by_fold: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        by_fold.setdefault(fold(name), []).append(name)
    groups = (group for group in by_fold.values() if len(group) > 1)
    return {name: group[0] if group[0] != name else group[1] for group in groups for name in group}


def suggest(name: str, known: Mapping[str, str]) -> str | None:
    """The known name that was probably meant; `known` maps folded names to names."""
    return known.get(fold(name.strip())) or known.get(fold(PurePosixPath(name.strip()).stem))


def _unclaimed_files(root: Path, claimed: Iterable[str]) -> dict[str, list[str]]:
    """Folded stem -> picture files, of the folders that hold pictures."""
    taken = set(claimed)
    found: dict[str, list[str]] = {}
    for folder in _picture_folders(root, taken):
        for name in _names(root / folder):
            stem, suffix = os.path.splitext(name)  # noqa: PTH122 -- no Path for each of 70,000 names
            path = (folder / name).as_posix()
            if suffix.lower() in SUFFIXES and path not in taken and name.isprintable():
                found.setdefault(fold(stem), []).append(path)
    return found


def _picture_folders(root: Path, paths: Iterable[str]) -> list[PurePosixPath]:
    """The folders of the files that were found; where none was, every folder right below the root."""
    folders = {PurePosixPath(path).parent for path in paths}
    if not folders:
        with os.scandir(root) as entries:
            folders = {PurePosixPath(entry.name) for entry in entries if entry.is_dir()}
    return sorted(folders)


def _names(folder: Path) -> Iterator[str]:
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        yield from sorted(entry.name for entry in entries)
