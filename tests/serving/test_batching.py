"""Questions that come together are answered together, each with its own answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from dwc.serving.batching import Batcher


class Model:
    """Doubles numbers, when it is let; fails at a batch that holds 13."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.let = threading.Event()

    def __call__(self, questions: Sequence[int]) -> list[int]:
        self.batches.append(list(questions))
        self.let.wait(5)
        if 13 in questions:
            raise RuntimeError("unlucky")
        return [2 * question for question in questions]


async def waiting_for(model: Model, batches: int) -> None:
    while len(model.batches) < batches:
        await asyncio.sleep(0.001)


def test_what_waits_makes_the_next_batch() -> None:
    model, sizes = Model(), []

    async def main() -> None:
        batcher = Batcher(model, largest=4, observe=sizes.append)
        task = asyncio.create_task(batcher.run())
        first = asyncio.create_task(batcher.ask(0))
        await waiting_for(model, 1)
        others = [asyncio.create_task(batcher.ask(number)) for number in range(1, 7)]
        await asyncio.sleep(0.01)
        assert batcher.waiting == 6
        model.let.set()
        assert await asyncio.gather(first, *others) == [0, 2, 4, 6, 8, 10, 12]
        task.cancel()

    asyncio.run(main())
    assert model.batches == [[0], [1, 2, 3, 4], [5, 6]]
    assert sizes == [1, 4, 2]


def test_a_failed_batch_is_told_to_those_in_it_alone() -> None:
    model = Model()

    async def main() -> None:
        batcher = Batcher(model, largest=2)
        task = asyncio.create_task(batcher.run())
        first = asyncio.create_task(batcher.ask(1))
        await waiting_for(model, 1)
        others = [asyncio.create_task(batcher.ask(number)) for number in (13, 2, 3)]
        await asyncio.sleep(0.01)
        model.let.set()
        answers = await asyncio.gather(first, *others, return_exceptions=True)
        assert answers[0] == 2 and answers[3] == 6
        assert [str(answer) for answer in answers[1:3]] == ["unlucky", "unlucky"]
        task.cancel()

    asyncio.run(main())


def test_who_has_gone_is_not_worked_for() -> None:
    model = Model()

    async def main() -> None:
        batcher = Batcher(model, largest=4)
        task = asyncio.create_task(batcher.run())
        first = asyncio.create_task(batcher.ask(1))
        await waiting_for(model, 1)
        gone, stays = (asyncio.create_task(batcher.ask(number)) for number in (2, 3))
        await asyncio.sleep(0.01)
        gone.cancel()
        await asyncio.sleep(0)
        model.let.set()
        assert await first == 2 and await stays == 6
        with pytest.raises(asyncio.CancelledError):
            await gone
        task.cancel()

    asyncio.run(main())
    assert model.batches == [[1], [3]]
