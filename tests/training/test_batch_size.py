"""The search for a batch size, with machines made up by hand and one that is real."""

from __future__ import annotations

import pytest
import torch

from dwc.store.dataset import Store
from dwc.training.batch_size import Trial, doubling, free_memory, recommended, try_steps
from tests.training.test_training import UPDATE, batches, build, store

__all__ = ["store"]  # the fixture
NO_LIMIT = 1e30


def tried(paces: dict[int, float | None], *, largest: int = 10_000, memory: float = NO_LIMIT) -> list[Trial]:
    """Trials of a machine that does so many triplets per second; a batch takes its size in bytes + 100."""

    def measure(size: int) -> Trial:
        return Trial(size, paces[size], None if paces[size] is None else 100.0 + size)

    return list(doubling(measure, first=8, largest=largest, memory=memory))


def sizes(trials: list[Trial]) -> list[int]:
    return [trial.batch_size for trial in trials]


def test_it_ends_where_twice_nothing_is_gained() -> None:
    trials = tried({8: 10, 16: 19, 32: 30, 64: 31, 128: 29})
    assert sizes(trials) == [8, 16, 32, 64, 128]
    assert recommended(trials) == Trial(32, 30, 132)  # nearly as fast as 64, and smaller


def test_one_that_does_not_fit_is_the_last() -> None:
    trials = tried({8: 10, 16: 20, 32: None})
    assert sizes(trials) == [8, 16, 32]
    assert recommended(trials) == Trial(16, 20, 116)


def test_one_that_would_need_too_much_is_not_tried() -> None:
    paces = {8: 10, 16: 20, 32: 40, 64: 80}
    assert sizes(tried(paces, memory=132.0)) == [8, 16, 32]
    assert sizes(tried(paces, memory=131.9)) == [8, 16]


def test_there_are_no_more_triplets_than_there_are() -> None:
    assert sizes(tried({8: 10, 16: 20, 32: 40}, largest=40)) == [8, 16, 32]


def test_nothing_is_recommended_where_nothing_fits() -> None:
    assert recommended(tried({8: None})) is None


def test_steps_are_timed_over_the_ends_of_epochs(store: Store) -> None:
    model, optimisers = build()
    before = [p.clone() for p in model.parameters()]
    trial = try_steps(batches(store), model, optimisers, UPDATE, 4)  # 3 batches in an epoch, 6 steps
    assert trial.batch_size == 4 and trial.triplets_per_second and trial.memory
    assert not all(torch.equal(*pair) for pair in zip(before, model.parameters(), strict=True))


def test_running_out_of_memory_is_a_result(store: Store) -> None:
    def update(*_: object) -> None:
        raise torch.OutOfMemoryError

    model, optimisers = build()
    assert try_steps(batches(store), model, optimisers, update, 4) == Trial(4, None, None)


def test_free_memory_is_some_of_this_machines() -> None:
    assert 1e8 < free_memory(torch.device("cpu")) < 1e14


def test_other_errors_come_out(store: Store) -> None:
    def update(*_: object) -> None:
        raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        try_steps(batches(store), *build(), update, 4)
