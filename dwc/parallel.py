"""Working on many items at once with memory that does not grow with their number."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def bounded_map(
    pool: Executor, work: Callable[[T], R], items: Iterable[T], *, window: int = 256
) -> Iterator[R]:
    """Yield `work` of each item in order; at most `window` are begun or waiting to be taken at any time.

    `Executor.map` begins everything at once and keeps whatever is not yet taken.
    """
    waiting: deque[Future[R]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= window:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
