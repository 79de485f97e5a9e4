"""Writing whole or not at all: outputs appear under their final name only when they are complete."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield an empty sibling folder that replaces `path` on success and is removed on failure."""
    temporary = _fresh_sibling(path)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        _replace_folder(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


@contextmanager
def resumable_folder(path: Path) -> Iterator[Path]:
    """Yield a sibling folder that replaces `path` on success and stays as it is on failure.

    It holds what an interrupted run left: whoever writes into it says what of that can still be used.
    """
    temporary = path.with_name(f".{path.name}.partial")
    temporary.mkdir(parents=True, exist_ok=True)
    yield temporary
    _replace_folder(temporary, path)


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a sibling file name that replaces `path` on success and is removed on failure."""
    temporary = _fresh_sibling(path)
    temporary.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield temporary
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def disk_is_full(error: BaseException | None) -> bool:
    """Whether an error, or one behind it, says that the disk is full; libraries have their own words."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return True
        if any(words in str(error) for words in ("No space left", "disk is full", "File too large")):
            return True
        error = error.__cause__ or error.__context__
    return False


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file whole or not at all."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _fresh_sibling(path: Path) -> Path:
    """Name beside `path`, cleared of what a killed run of any process may have left under it."""
    temporary = path.with_name(f".{path.name}.partial")
    if temporary.is_dir():
        shutil.rmtree(temporary)
    temporary.unlink(missing_ok=True)
    return temporary


def _replace_folder(new: Path, path: Path) -> None:
    """Put `new` in the place of `path`; a folder cannot be renamed over a non-empty one in one step."""
    old = path.with_name(f".{path.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if path.exists():
        path.replace(old)
    new.replace(path)
    shutil.rmtree(old, ignore_errors=True)
