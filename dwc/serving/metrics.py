"""What Prometheus is told. Each server has a registry of its own."""

from __future__ import annotations

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dwc.serving.live import Live

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_SIZES = (1, 2, 4, 8, 16, 32)


class Metrics:
    """Counts of requests and batches, and the state of the gallery at the moment of asking."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "dwc_requests",
            "Requests by route and status",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "dwc_request_seconds",
            "Time to answer",
            ("method", "route"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.batch_size = Histogram(
            "dwc_batch_size", "Questions answered together", buckets=_SIZES, registry=self.registry
        )
        self.exchanges = Counter(
            "dwc_model_exchanges", "Models that were to replace another", ("outcome",), registry=self.registry
        )
        self._version = Gauge(
            "dwc_model_version", "The version that answers", ("name",), registry=self.registry
        )
        self._images = Gauge("dwc_gallery_images", "Images that can be found", registry=self.registry)
        self._recall = Gauge(
            "dwc_index_recall_at_10",
            "Recall of the index against an exact search",
            ("kind",),
            registry=self.registry,
        )
        self._waiting = Gauge("dwc_questions_waiting", "Questions not begun", registry=self.registry)

    def watch(self, live: Callable[[], Live], waiting: Callable[[], int]) -> None:
        """Where the state is read from."""
        self._live = live
        self._waiting.set_function(waiting)

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        live = self._live()
        version = live.served.version
        for gauge, label, value in (
            (self._version, version.name, float(version.version)),
            (self._recall, live.gallery.kind, live.gallery.recall_at_10),
        ):
            gauge.clear()
            gauge.labels(label).set(value)
        self._images.set(len(live.gallery))
        return generate_latest(self.registry)


class MeasuredRequests:
    """ASGI middleware that counts and times; route: the path's pattern, so that ids make no new series."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and note how it ended."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        status, started = 500, time.perf_counter()

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            method = scope["method"] if route != "other" else "other"
            self._metrics.requests.labels(method, route, status).inc()
            self._metrics.seconds.labels(method, route).observe(time.perf_counter() - started)
