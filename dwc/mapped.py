"""Memory-mapped arrays that are read once, from their first row to their last, without staying in memory."""

from __future__ import annotations

from mmap import MADV_DONTNEED, mmap
from typing import Any

import numpy as np


def let_go(array: np.ndarray[Any, Any]) -> None:
    """Give back the pages of a memory-mapped array that were read; nothing for any other array.

    A page counts as the process's memory from its first reading to the end of the mapping, so reading through
    an array takes as much memory as the array is large. The system's cache keeps what it has room for.
    """
    mapping: Any = array
    while isinstance(mapping, np.ndarray):  # rows of an array are a view of it
        mapping = mapping.base
    if isinstance(mapping, mmap):
        mapping.madvise(MADV_DONTNEED)
