"""A browser's window on the search page that notices what goes wrong, and the interface to compare with."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, expect, sync_playwright
from playwright.sync_api import Request as PageRequest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WAIT = 30_000  # milliseconds; the machine may be busy
expect.set_options(timeout=WAIT)

RED, BLUE = "is red instead", "is longer and blue"
REFERENCE, OTHER = "dress-2", "shirt-3"

_RESULTS = """
document.querySelector("#results-grid[aria-busy], #results-grid .skeleton")
    ? [] : [...document.querySelectorAll("#results-grid .open")].map((open) => open.dataset.image)
"""


@contextmanager
def running(app: FastAPI) -> Iterator[str]:
    """The address of an application that is served from a thread of this process."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.02)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a screen."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


@dataclass
class Window:
    """A page of its own. asked: what it asked /api/search; problems: what its console complained of."""

    page: Page
    address: str
    asked: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(WAIT)
        self.page.on("request", self._request)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on(
            "console",
            lambda message: self.problems.append(message.text) if message.type == "error" else None,
        )

    def open(self, query: str = "") -> None:
        self.page.goto(self.address + query)
        self.page.wait_for_selector("#gallery-grid img, #results-grid .open, .note", state="attached")

    def pick(self, image: str) -> None:
        self.page.click(f'#gallery-grid [data-image="{image}"]')

    def say(self, text: str) -> None:
        """Type the change and press Enter."""
        self.page.fill("#text", text)
        self.page.press("#text", "Enter")

    @property
    def results(self) -> list[str]:
        """Ids of the pictures found, once they are there."""
        return self._results_once(lambda found: bool(found))

    def wait_for(self, images: list[str]) -> None:
        """Until exactly these pictures are shown, in this order."""
        assert self._results_once(lambda found: found == images) == images

    def overflow(self) -> int:
        """Pixels by which the page is wider than the window."""
        width: int = self.page.evaluate("document.documentElement.scrollWidth")
        assert self.page.viewport_size
        return width - self.page.viewport_size["width"]  # innerWidth grows with what a phone shows

    def _results_once(self, condition: Callable[[list[str]], bool]) -> list[str]:
        """Asked from outside: the page's own policy forbids what Playwright would evaluate within it."""
        limit = time.monotonic() + WAIT / 1000
        found: list[str] = []
        while not condition(found) and time.monotonic() < limit:
            self.page.wait_for_timeout(50)
            found = self.page.evaluate(_RESULTS)
        return found

    def _request(self, request: PageRequest) -> None:
        if not request.url.startswith((self.address, "blob:", "data:")):
            self.problems.append(f"asked another machine: {request.url}")
        if urlsplit(request.url).path == "/api/search":
            self.asked.append(json.loads(request.post_data or ""))


def ask(address: str, path: str, **question: Any) -> dict[str, Any]:
    """What the interface itself answers, to compare the page with."""
    body = json.dumps(question).encode()
    request = Request(f"{address}api/{path}", body, {"Content-Type": "application/json"})
    with urlopen(request, timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def found(address: str, text: str = RED, image_id: str = REFERENCE, **rest: Any) -> list[str]:
    """Ids that a search finds."""
    answer = ask(address, "search", image_id=image_id, text=text, **rest)
    return [result["id"] for result in answer["results"]]
