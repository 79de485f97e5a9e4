"""Answering concurrent questions together: whatever waits when the model is free makes the next batch.

Nothing ever waits for a batch to fill. A lone question is answered at once; under load batches grow by
themselves, since more questions come while one batch is computed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Batcher(Generic[T, R]):
    """Hands questions to `answer` in one thread, at most `largest` at a time; `observe` hears how many."""

    def __init__(
        self,
        answer: Callable[[Sequence[T]], Sequence[R]],
        *,
        largest: int,
        observe: Callable[[int], None] = lambda size: None,
    ) -> None:
        self._answer = answer
        self._largest = largest
        self._observe = observe
        self._waiting: asyncio.Queue[tuple[T, asyncio.Future[R]]] = asyncio.Queue()

    @property
    def waiting(self) -> int:
        """Questions that nobody works on yet."""
        return self._waiting.qsize()

    async def ask(self, question: T) -> R:
        """The answer to one question. Raises what answering its batch raised."""
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait((question, answer))
        return await answer

    async def run(self) -> None:
        """Answer what comes, until this task is cancelled."""
        thread = ThreadPoolExecutor(1, thread_name_prefix="search")
        try:
            while True:
                await self._work(thread, [await self._waiting.get()])
        finally:
            thread.shutdown(wait=False)

    async def _work(self, thread: Executor, batch: list[tuple[T, asyncio.Future[R]]]) -> None:
        while len(batch) < self._largest and not self._waiting.empty():
            batch.append(self._waiting.get_nowait())
        batch = [(question, answer) for question, answer in batch if not answer.cancelled()]
        if not batch:
            return
        self._observe(len(batch))
        questions = [question for question, _ in batch]
        try:
            results = await asyncio.get_running_loop().run_in_executor(thread, self._answer, questions)
        except Exception as error:  # whoever asked is told; the next batch may fare better
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(error)
        else:
            for (_, answer), result in zip(batch, results, strict=True):
                if not answer.done():
                    answer.set_result(result)
