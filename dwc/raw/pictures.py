"""Finding picture files: each folder is listed once, which is fast on network disks too."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

SUFFIXES = (".jpg", ".jpeg", ".png")
"""Where a picture stands under several suffixes, the first of these is taken."""


def find_pictures(folder: Path) -> list[str]:
    """Picture files in a folder and below it, relative to it with forward slashes, in order of name."""
    found = []
    for place, folders, names in os.walk(folder):
        folders.sort()
        below = Path(place).relative_to(folder).as_posix()
        prefix = "" if below == "." else f"{below}/"
        found += [f"{prefix}{name}" for name in names if is_picture(name)]
    return sorted(found)


def is_picture(name: str) -> bool:
    """Whether a file name has a picture's suffix."""
    return os.path.splitext(name)[1].lower() in SUFFIXES  # noqa: PTH122 -- no Path for each of 70,000 names


def by_stem(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(stem, name) of the picture files, the preferred suffix of a stem last so that it wins in a dict."""
    ranked = []
    for name in names:
        stem, suffix = os.path.splitext(name)  # noqa: PTH122
        if suffix.lower() in SUFFIXES:
            ranked.append((-SUFFIXES.index(suffix.lower()), stem, name))
    return ((stem, name) for _, stem, name in sorted(ranked))


def require_inside(path: str, where: str) -> str:
    """Return a relative path that annotations name, if it does not lead out of the data folder."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path or "\0" in path:
        raise ValueError(f"{where}: {path!r} is no relative path inside the data folder. Correct it.")
    return path
