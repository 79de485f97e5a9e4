"""Many items at once, few of them begun."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from dwc.parallel import bounded_map


def test_the_order_is_kept_and_little_is_begun_ahead() -> None:
    begun = 0

    def items() -> Iterator[int]:
        nonlocal begun
        for number in range(100):
            begun += 1
            yield number

    with ThreadPoolExecutor(4) as pool:
        results = bounded_map(pool, lambda number: number * number, items(), window=8)
        for number, result in enumerate(results):
            assert result == number * number
            assert begun <= number + 8


def test_an_error_comes_in_its_turn() -> None:
    with ThreadPoolExecutor(2) as pool:
        results = bounded_map(pool, lambda number: 6 // number, [1, 2, 0, 3], window=2)
        assert [next(results), next(results)] == [6, 3]
        with pytest.raises(ZeroDivisionError):
            next(results)
