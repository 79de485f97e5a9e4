"""Bringing rows of the store to the training: read ahead in a thread, or kept on the device as a whole."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Generator, Iterator
from queue import SimpleQueue
from typing import Any, Generic, Literal, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from dwc.store.pixels import AllPixels

Where = Literal["auto", "disk", "device"]
Rows = Int[np.ndarray, " batch"]

SHARE_OF_DEVICE = 0.5
"""Share of the GPU's free memory that the pixels may take with `auto`: training needs the rest."""
_CHUNK_BYTES = 64 * 2**20

T = TypeVar("T")


def ahead(items: Iterator[T], count: int) -> Generator[T]:
    """Yield `items` in order; a thread takes up to `count` of them before they are asked for.

    On a CPU the items' own work must not divide itself among OpenMP's threads, as larger operations of torch
    do: a second team of them makes the training's wait for each other more slowly, by a quarter of a step.

    What `items` raises comes out here, behind the items before it. Whoever stops early closes this iterator:
    the thread has then ended.
    """
    room = threading.Semaphore(count)
    ready: SimpleQueue[_Taken[T]] = SimpleQueue()
    closed = threading.Event()

    def take() -> None:
        try:
            while room.acquire() and not closed.is_set():
                ready.put(_Taken(next(items)))
        except BaseException as error:  # StopIteration too: it ends both iterators
            ready.put(_Taken(error=error))

    thread = threading.Thread(target=take, name="batches ahead", daemon=True)
    thread.start()
    try:
        while (taken := ready.get()).error is None:
            room.release()
            yield taken.item
        if not isinstance(taken.error, StopIteration):
            raise taken.error
    finally:
        closed.set()
        room.release()
        thread.join()


class _Taken(Generic[T]):
    """What the thread hands over: an item, or why there are no more."""

    __slots__ = ("error", "item")

    def __init__(self, item: Any = None, error: BaseException | None = None) -> None:
        self.item: T = item
        self.error = error


class MappedRows:
    """Rows of an array that is memory-mapped, and may be larger than the memory.

    The disk is told of all rows before the first is read, and fetches them together instead of one after the
    other; `expect` tells it earlier still.
    """

    def __init__(self, array: np.ndarray) -> None:
        self._array = array
        self._row_bytes = array.nbytes // max(1, len(array))
        self._file: int | None = None
        if isinstance(array, np.memmap) and array.filename is not None:
            self._file = os.open(array.filename, os.O_RDONLY)
            self._start = array.offset
            weakref.finalize(self, os.close, self._file)

    def expect(self, rows: Rows) -> None:
        """Have the rows brought into memory, without waiting for them."""
        if self._file is not None:
            for row in rows.tolist():
                place = self._start + row * self._row_bytes
                os.posix_fadvise(self._file, place, self._row_bytes, os.POSIX_FADV_WILLNEED)

    def read(self, rows: Rows, *, pinned: bool = False) -> Tensor:
        """Copies of the rows, one below the other; pinned: in memory from which a GPU copies by itself."""
        if len(rows) and not 0 <= rows.min() <= rows.max() < len(self._array):
            raise IndexError(f"rows {rows.min()} to {rows.max()} of an array of {len(self._array)}")
        self.expect(rows)
        shape = (len(rows), *self._array.shape[1:])
        found = torch.empty(shape, dtype=_TORCH[self._array.dtype.name], pin_memory=pinned)
        np.take(
            self._array, rows, axis=0, out=found.numpy(), mode="clip"
        )  # the interpreter is free meanwhile
        return found


_TORCH = {"uint8": torch.uint8, "float32": torch.float32}


@runtime_checkable
class Pixels(Protocol):
    """Where a batch's pixels come from; the thread ahead calls `fetch`, the one that trains `send`."""

    def expect(self, rows: Rows) -> None:
        """Say which rows are fetched next."""

    def fetch(self, rows: Rows) -> Tensor:
        """Do on the host what can be done ahead."""

    def send(self, fetched: Tensor) -> UInt8[Tensor, "batch side side 3"]:
        """The rows' pixels on the device, in memory of their own."""


class DiskPixels:
    """Pixels that stay in the store's file; every batch is read and sent."""

    def __init__(self, pixels: AllPixels, device: torch.device) -> None:
        self._rows = MappedRows(pixels)
        self._device = device
        self.expect = self._rows.expect

    def fetch(self, rows: Rows) -> Tensor:
        """Read the rows."""
        return self._rows.read(rows, pinned=self._device.type == "cuda")

    def send(self, fetched: Tensor) -> UInt8[Tensor, "batch side side 3"]:
        """Copy what was read to the device."""
        return fetched.to(self._device, non_blocking=True)


class DevicePixels:
    """Pixels that lie on the device as a whole; of a batch only the row numbers are sent."""

    def __init__(self, pixels: AllPixels, device: torch.device) -> None:
        self.pixels = torch.empty(pixels.shape, dtype=torch.uint8, device=device)
        step = max(1, _CHUNK_BYTES // max(1, pixels[:1].nbytes))
        for start in range(0, len(pixels), step):
            self.pixels[start : start + step] = torch.from_numpy(np.array(pixels[start : start + step]))

    def expect(self, rows: Rows) -> None:
        """All is there already."""

    def fetch(self, rows: Rows) -> Tensor:
        """The row numbers."""
        numbers = torch.from_numpy(rows)
        return numbers.pin_memory() if self.pixels.is_cuda else numbers

    def send(self, fetched: Tensor) -> UInt8[Tensor, "batch side side 3"]:
        """Gather the rows."""
        return self.pixels[fetched.to(self.pixels.device, non_blocking=True)]


def place_pixels(pixels: AllPixels, device: torch.device, where: Where = "auto") -> Pixels:
    """Where training takes its pixels from.

    auto: the device, if that is a GPU of whose free memory they take at most half; else the disk. On a CPU
    `device` means main memory.
    """
    if where == "auto":
        where = "device" if _fits(pixels.nbytes, device) else "disk"
    return DevicePixels(pixels, device) if where == "device" else DiskPixels(pixels, device)


def _fits(size: int, device: torch.device) -> bool:
    """Whether `size` bytes may lie on the device beside a training; on a CPU the system's cache does that."""
    return device.type == "cuda" and size <= SHARE_OF_DEVICE * torch.cuda.mem_get_info(device)[0]
