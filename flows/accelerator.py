"""One training at a time on a machine's GPU, whichever workspace it comes from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from prefect.concurrency.sync import concurrency

LIMIT = "gpu"


@contextmanager
def gpu() -> Iterator[None]:
    """Hold the server's `gpu` limit for the block, where there are a GPU and a server that others share."""
    if not torch.cuda.is_available() or "PREFECT_API_URL" not in os.environ:
        yield
        return
    with concurrency(LIMIT):
        yield
