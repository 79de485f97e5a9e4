"""Reading through a mapped array without keeping it in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import psutil

from dwc.mapped import let_go

MB = 1 << 20


def test_pages_that_were_read_are_given_back_and_can_be_read_again(tmp_path: Path) -> None:
    np.save(tmp_path / "array.npy", np.arange(8 * MB))
    array = np.load(tmp_path / "array.npy", mmap_mode="r")
    process = psutil.Process()
    before = process.memory_info().rss
    assert array.sum() == 4 * MB * (8 * MB - 1)
    assert process.memory_info().rss - before > 48 * MB
    let_go(array)
    assert process.memory_info().rss - before < 16 * MB
    assert array[-1] == 8 * MB - 1


def test_an_array_in_memory_stays_as_it_is() -> None:
    array = np.arange(4)
    let_go(array)
    assert array.tolist() == [0, 1, 2, 3]
