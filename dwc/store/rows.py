"""Arrays on disk whose rows have keys, so that no row is computed twice.

The array is a plain .npy file, its keys a file beside it with KEY_BYTES for each row. Rows are written one
after the other: memory does not grow with their number, and an interrupted writing goes on where it was. A
later array takes rows over whose keys it knows.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from dwc.mapped import let_go

KEY_BYTES = 16

Row = np.ndarray


def keys_file(file: Path) -> Path:
    """Where the keys of an array's rows are."""
    return file.with_suffix(".keys")


def read_keys(file: Path) -> list[bytes]:
    """The key of each row of an array; empty where the array has none."""
    keys = keys_file(file)
    content = keys.read_bytes() if keys.is_file() else b""
    return [content[at : at + KEY_BYTES] for at in range(0, len(content) - KEY_BYTES + 1, KEY_BYTES)]


class KnownRows:
    """The rows of an earlier array, by key; none where there is no file, or one with other kinds of rows."""

    def __init__(self, file: Path, shape: Sequence[int], dtype: type[np.generic]) -> None:
        self._rows: np.ndarray | None = None
        self._places: dict[bytes, int] = {}
        if file.is_file() and keys_file(file).is_file():
            rows = np.load(file, mmap_mode="r", allow_pickle=False)
            if rows.shape[1:] == tuple(shape) and rows.dtype == dtype:
                self._rows = rows
                self._places = {key: row for row, key in enumerate(read_keys(file)[: len(rows)])}

    def __contains__(self, key: bytes) -> bool:
        return key in self._places

    def __getitem__(self, key: bytes) -> Row:
        assert self._rows is not None
        row = np.array(self._rows[self._places[key]])
        let_go(self._rows)
        return row


class RowWriter:
    """Writes an array of `shape` from its first row to its last; a context manager.

    What an interrupted writer left under the same name stays: `kept` are the keys of its rows, which need
    writing only where they have changed.
    """

    def __init__(self, file: Path, shape: Sequence[int], dtype: type[np.generic]) -> None:
        self._shape = tuple(shape)
        self._dtype = np.dtype(dtype)
        self._row_bytes = int(np.prod(self._shape[1:], dtype=np.int64)) * self._dtype.itemsize
        header = _header(self._shape, self._dtype)
        self._start = len(header)
        complete = _complete_rows(file, self._start, self._shape[1:], self._dtype, self._row_bytes)
        self.kept = read_keys(file)[: min(complete, self._shape[0])]
        self._rows = len(self.kept)
        self._array = _open(file, self._start + self._rows * self._row_bytes)
        self._keys = _open(keys_file(file), self._rows * KEY_BYTES)
        _write(self._array, 0, memoryview(header))

    def write(self, first: int, rows: Row, keys: Sequence[bytes]) -> None:
        """Write `rows` [some, ...] and their keys from row `first` on; there may be no gap before it."""
        if rows.shape != (len(keys), *self._shape[1:]) or first > self._rows:
            raise ValueError(f"{rows.shape}: not {len(keys)} rows of {self._shape[1:]} behind {self._rows}.")
        if first < self._rows:  # a key must not stand beside another key's row, whenever this ends
            _write(self._keys, first * KEY_BYTES, memoryview(bytes(KEY_BYTES * len(keys))))
        values = np.ascontiguousarray(rows, dtype=self._dtype).data.cast("B")
        _write(self._array, self._start + first * self._row_bytes, values)
        _write(self._keys, first * KEY_BYTES, memoryview(b"".join(keys)))
        self._rows = max(self._rows, first + len(keys))

    def __enter__(self) -> RowWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._array.close()
        self._keys.close()
        if kind is None and self._rows != self._shape[0]:
            raise ValueError(f"{self._rows} of {self._shape[0]} rows were written.")


def _header(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bytes:
    """NumPy's header; it has the same length whatever the number of rows."""
    buffer = io.BytesIO()
    descr = np.lib.format.dtype_to_descr(dtype)
    np.lib.format.write_array_header_1_0(buffer, {"descr": descr, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def _complete_rows(
    file: Path, start: int, row_shape: tuple[int, ...], dtype: np.dtype[Any], row_bytes: int
) -> int:
    """Rows that an earlier writer of the same kind of rows has written whole."""
    if not file.is_file():
        return 0
    with file.open("rb") as handle:
        try:
            np.lib.format.read_magic(handle)
            shape, fortran, found = np.lib.format.read_array_header_1_0(handle)
        except ValueError:
            return 0
        if handle.tell() != start or fortran or shape[1:] != row_shape or found != dtype:
            return 0
    return (file.stat().st_size - start) // row_bytes if row_bytes else 0


def _open(file: Path, end: int) -> FileIO:
    """Open, keeping `end` bytes of what is there; unbuffered, so that rows outlive a killed process."""
    file.touch()
    handle = FileIO(file, "r+b")
    handle.truncate(end)
    return handle


def _write(handle: FileIO, place: int, data: memoryview) -> None:
    """Write all of `data` at a place; the system may take less at a time."""
    handle.seek(place)
    while len(data):
        data = data[handle.write(data) :]
