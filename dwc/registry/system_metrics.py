"""Processor, memory, disk, network and GPU while a run is open, sampled by MLflow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

SECONDS = 5  # between samples: a stage of one minute shows a curve, one of ten hours stays small


@contextmanager
def system_metrics(address: str, run_id: str) -> Iterator[None]:
    """Sample into the run's `system/…` metrics until the block ends."""
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    monitor = SystemMetricsMonitor(run_id, sampling_interval=SECONDS, tracking_uri=address)  # type: ignore[no-untyped-call]
    monitor.start()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        monitor.finish()  # type: ignore[no-untyped-call]
