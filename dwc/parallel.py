"""Working on many items at once with memory that does not grow with their number."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import Protocol, TypeVar, runtime_checkable

T = TypeVar("T")
R = TypeVar("R")


@runtime_checkable
class Named(Protocol):
    """An item with a name for people."""

    @property
    def name(self) -> str:
        """The name."""
        ...


N = TypeVar("N", bound=Named)


@runtime_checkable
class Spread(Protocol):
    """Runs work on every item, on other machines perhaps, and yields what it returns in the items' order."""

    def __call__(self, work: Callable[[N], R], items: Iterable[N]) -> Iterator[R]:
        """Begin; work and items can be pickled."""
        ...


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
