"""Values arrive in order, whole and in few requests, whatever the store does meanwhile."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

import pytest

from dwc.registry.delivery import LARGEST_BATCH, Delivery


class Receiver:
    """Stands for a store: keeps what it gets, and can be out of order."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.broken = False
        self.calls = 0
        self.called = threading.Event()

    def __call__(self, batch: Sequence[int]) -> None:
        self.calls += 1
        self.called.set()
        if self.broken:
            raise ConnectionError("nobody answers\nsecond line")
        self.batches.append(list(batch))

    @property
    def values(self) -> list[int]:
        return [value for batch in self.batches for value in batch]


def test_many_small_gifts_are_one_request() -> None:
    receiver = Receiver()
    delivery = Delivery(receiver, seconds=60)
    for number in range(500):
        delivery.add([2 * number, 2 * number + 1])
    assert delivery.close() == 0
    assert receiver.batches == [list(range(1000))]
    assert delivery.delivered == 1000


def test_no_request_is_larger_than_the_store_takes() -> None:
    receiver = Receiver()
    delivery = Delivery(receiver, seconds=60)
    delivery.add(range(LARGEST_BATCH + 1))
    assert delivery.close() == 0
    assert [len(batch) for batch in receiver.batches] == [LARGEST_BATCH, 1]


def test_values_arrive_while_training_goes_on() -> None:
    receiver = Receiver()
    delivery = Delivery(receiver, seconds=0.01)
    delivery.add([1])
    assert receiver.called.wait(5)
    assert delivery.close() == 0
    assert receiver.values == [1]


def test_an_outage_loses_nothing_and_warns_once(caplog: pytest.LogCaptureFixture) -> None:
    receiver = Receiver()
    receiver.broken = True
    delivery = Delivery(receiver, seconds=0.01)
    with caplog.at_level(logging.WARNING):
        for number in range(5):
            delivery.add([number])
        deadline = time.monotonic() + 10
        while receiver.calls < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        receiver.broken = False
        assert delivery.close() == 0
    assert receiver.values == [0, 1, 2, 3, 4]
    assert [record.getMessage().endswith("nobody answers") for record in caplog.records] == [True]


def test_a_store_that_stays_away_is_reported() -> None:
    receiver = Receiver()
    receiver.broken = True
    delivery = Delivery(receiver, seconds=0.01)
    delivery.add([1, 2, 3])
    assert delivery.close(attempts=2) == 3
    assert delivery.delivered == 0
    assert isinstance(delivery.error, ConnectionError)


def test_a_slow_store_does_not_hold_up_training() -> None:
    release = threading.Event()
    delivery: Delivery[int] = Delivery(lambda batch: [release.wait(10)][:0] or None, seconds=0.001)
    delivery.add([0])
    time.sleep(0.05)
    started = time.perf_counter()
    for number in range(1000):
        delivery.add([number])
    assert time.perf_counter() - started < 0.5
    release.set()
    assert delivery.close() == 0
    assert delivery.delivered == 1001
