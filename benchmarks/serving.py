"""The search server under load: requests per second and latency, answered one by one and in batches.

Both servers run in this process, one after the other, with the same model, gallery and questions. Where there
is no champion, the challenger of `--name` is asked. What stays the same from machine to machine is the ratio.
"""

from __future__ import annotations

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

from benchmarks.results import arguments, report
from dwc.console import SilentTeller
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
    parser = arguments(__doc__)
    parser.add_argument("--name", default="dwc-wardrobe")
    parser.add_argument("--store", type=Path, default=Path("build/store"))
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--requests", type=int, default=400)
    wanted = parser.parse_args()
    tracking.configure(None, Path.cwd())
    served = served_now(wanted.name, None)
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
    rows = [ratio("requests per second", alone.rate, together.rate)]
    for share in (0.5, 0.95):
        one, many = (1000 * measured.quantile(share) for measured in (alone, together))
        rows.append(ratio(f"latency, {share:.0%} quantile, ms", one, many))
    report(
        "serving",
        "Search server",
        ("", "one by one", "in batches", "ratio"),
        rows,
        write=wanted.write,
        notes=f"{wanted.clients} clients, each waiting for its answer; {wanted.requests} by image id,"
        f" {len(live.gallery):,} images, index {live.gallery.kind}.",
    )


def ratio(name: str, one: float, many: float) -> tuple[str, str, str, str]:
    return name, f"{one:.1f}", f"{many:.1f}", f"{many / one:.2f}"


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
