"""Reading one image file to the end: digest, size, whether it decodes, and what it looks like."""

from __future__ import annotations

import hashlib
import os
import stat
from io import BufferedReader
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from dwc.decoding import TooLargeError, UndecodableError, decode
from dwc.tables.fingerprint import fingerprint


class Scan(NamedTuple):
    """What a file turned out to be; the columns that the image table gets."""

    width: int = 0
    height: int = 0
    digest: str | None = None
    problem: str | None = None
    fingerprint: str | None = None
    link: str | None = None


def scan(root: Path, name: str | None, *, max_megapixels: float) -> Scan:
    """Read and decode the file `name` under `root`, an absolute path without links.

    A larger picture than `max_megapixels` is measured but not decoded. Memory is that of one picture.
    """
    if name is None:
        return Scan()
    if leaves_root(name):
        return Scan(problem="leads out of the data folder and is not read")
    path = root / name
    try:
        link = _link_to_outside(root, path)
        if not stat.S_ISREG(path.stat().st_mode):  # opening a named pipe would wait for ever
            return Scan(problem="is no regular file")
        with path.open("rb") as file:
            return _read(file, max_megapixels)._replace(link=link)
    except FileNotFoundError:
        return Scan(problem="is a link to a file that does not exist")
    except OSError as error:
        return Scan(problem=f"cannot be read: {error.strerror}")


def leaves_root(name: str) -> bool:
    """Whether a path, relative to the data root with forward slashes, leads out of it."""
    parts = PurePosixPath(name).parts
    return name.startswith("/") or ".." in parts or "\0" in name


def _read(file: BufferedReader, max_megapixels: float) -> Scan:
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not file.tell():
        return Scan(digest=digest, problem="is an empty file")
    file.seek(0)
    try:
        picture = decode(file, max_megapixels=max_megapixels)
    except TooLargeError as error:
        return Scan(*error.size, digest=digest)
    except UndecodableError as error:
        return Scan(digest=digest, problem=str(error))
    return Scan(*picture.size, digest=digest, fingerprint=fingerprint(picture).hex())


def _link_to_outside(root: Path, path: Path) -> str | None:
    """Where the file itself is a link to, if that is outside; a linked folder is the user's own layout."""
    if not path.is_symlink():
        return None
    target = os.path.realpath(path)
    return None if Path(target).is_relative_to(root) else target
