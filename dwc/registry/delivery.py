"""Metric values on their way to the tracking store, sent from a thread of their own."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Generic, TypeVar

from dwc.registry.store import reason

LARGEST_BATCH = 1000  # MLflow's limit for one request
_LOGGER = logging.getLogger(__name__)

Value = TypeVar("Value")


class Delivery(Generic[Value]):
    """Sends values in order, in batches, and never makes the one who hands them in wait.

    A store that does not answer costs a warning; the values wait and are sent again. `send` takes a batch
    and must bear getting it twice: a request may have arrived although its answer did not.
    """

    def __init__(self, send: Callable[[Sequence[Value]], None], *, seconds: float = 2.0) -> None:
        self._send = send
        self._seconds = seconds
        self._waiting: deque[Value] = deque()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._failing = False
        self.delivered = 0
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="metric delivery", daemon=True)
        self._thread.start()

    def add(self, values: Sequence[Value]) -> None:
        """Hand in values; returns at once."""
        with self._lock:
            self._waiting.extend(values)

    def close(self, *, attempts: int = 3) -> int:
        """Send the rest, trying up to `attempts` times; return how many values could not be delivered."""
        self._closing.set()
        self._thread.join()
        while self._waiting and attempts:
            if not self._flush():
                attempts -= 1
                threading.Event().wait(self._seconds if attempts else 0.0)
        return len(self._waiting)

    def _work(self) -> None:
        while not self._closing.wait(self._seconds):
            self._flush()

    def _flush(self) -> bool:
        """Send one batch; True where it arrived or there was nothing to send."""
        with self._lock:
            batch = list(islice(self._waiting, LARGEST_BATCH))
        if not batch:
            return True
        try:
            self._send(batch)
        except Exception as error:  # of HTTP, SQL or MLflow: none of them is worth the training
            self._report(error)
            return False
        with self._lock:
            for _ in batch:
                self._waiting.popleft()
        self.delivered += len(batch)
        self._failing = False
        return True

    def _report(self, error: Exception) -> None:
        """Warn once for each outage."""
        self.error = error
        if not self._failing:
            _LOGGER.warning("Metrics are kept back, the tracking store does not take them: %s", reason(error))
        self._failing = True
