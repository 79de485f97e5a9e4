"""Requests per second and latency of the search server, answered in batches and one by one, as a ratio.

    python -m benchmarks.serving --model models:/dwc-wardrobe@challenger --clients 16 --requests 400

Both servers run in this process, one after the other, with the same model, gallery and questions; the ratio is
what stays the same from machine to machine.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from dwc.console import SilentTeller, print_table
from dwc.registry import tracking
from dwc.registry.served import served_now
from dwc.serving.app import LARGEST_BATCH, create_app
from dwc.serving.gallery_folder import open_gallery
from dwc.serving.image_store import ImageStore
from dwc.serving.live import load_version
from dwc.serving.service import Service

TEXTS = ("is red", "has longer sleeves and is darker", "is plain", "is shorter, with a collar")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Seconds of each request, and of all together."""

    latencies: Sequence[float]
    seconds: float

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    def quantile(self, share: float) -> float:
        return statistics.quantiles(self.latencies, n=100)[round(100 * share) - 1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--store", type=Path, default=Path("build/store"))
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--requests", type=int, default=400)
    wanted = parser.parse_args()
    tracking.configure(None, Path.cwd())
    served = served_now("", wanted.model)
    with (
        tempfile.TemporaryDirectory() as place,
        open_gallery(Path(place) / "gallery", served.version.name) as folder,
    ):
        live = load_version(
            folder,
            served,
            follow_package=True,
            picture_of=ImageStore(wanted.store).picture,
            device="cpu",
            teller=SilentTeller(),
        )
        service = Service(folder, live)
        questions = make_questions(live.gallery.ids(), wanted.requests)
        alone = measure(service, questions, wanted.clients, largest_batch=1)
        together = measure(service, questions, wanted.clients, largest_batch=LARGEST_BATCH)
        service.close()
    print(
        f"{wanted.clients} clients, {wanted.requests} requests, {len(live.gallery)} images,"
        f" index {live.gallery.kind}"
    )
    rows: list[tuple[str, float, float, float]] = [
        ("requests/s", alone.rate, together.rate, together.rate / alone.rate),
    ]
    for share in (0.5, 0.95):
        one, many = alone.quantile(share), together.quantile(share)
        rows.append((f"latency, {share:.0%} quantile, ms", 1000 * one, 1000 * many, many / one))
    print_table(
        ("", "one by one", "in batches", "ratio"),
        [(name, f"{one:.1f}", f"{many:.1f}", f"{ratio:.2f}") for name, one, many, ratio in rows],
    )


def make_questions(ids: Sequence[str], count: int) -> list[dict[str, Any]]:
    return [{"image_id": ids[n % len(ids)], "text": TEXTS[n % len(TEXTS)], "k": 24} for n in range(count)]


def measure(
    service: Service, questions: Sequence[dict[str, Any]], clients: int, *, largest_batch: int
) -> Measured:
    """Ask all questions from so many threads, each waiting for an answer before it asks again."""
    with serving(service, largest_batch) as address, httpx.Client(base_url=address, timeout=120) as client:

        def ask(question: dict[str, Any]) -> float:
            started = time.perf_counter()
            client.post("/api/search", json=question).raise_for_status()
            return time.perf_counter() - started

        with ThreadPoolExecutor(clients) as pool:
            list(pool.map(ask, questions[: 2 * clients]))  # warm-up
            started = time.perf_counter()
            latencies = list(pool.map(ask, questions))
            return Measured(latencies=latencies, seconds=time.perf_counter() - started)


@contextmanager
def serving(service: Service, largest_batch: int) -> Iterator[str]:
    app = create_app(service, largest_batch=largest_batch)
    config = uvicorn.Config(app, port=0, log_level="warning", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


if __name__ == "__main__":
    main()
