"""Prefect's pages in a real browser, used as people use them: by what they read there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit

from playwright.sync_api import Page, Request, sync_playwright

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@contextmanager
def browser_page(reached: list[str]) -> Iterator[Page]:
    """A page of the system's Chromium; hosts of other machines that it reaches are added to `reached`."""

    def note(request: Request) -> None:
        host = urlsplit(request.url).hostname
        if host and host not in ("127.0.0.1", "localhost"):
            reached.append(request.url)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(180_000)
        page.on("request", note)
        yield page
        browser.close()


def custom_run(page: Page, address: str, *, overrides: Sequence[str], seed: int) -> str:
    """Fill in the form of the deployment `pipeline` and submit it; returns the run's id."""
    page.goto(f"{address}/v2/deployments")
    page.get_by_role("link", name="pipeline", exact=True).first.click()
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Custom run").click()
    page.wait_for_load_state("networkidle")  # what has been typed before the page has settled is lost
    for override in overrides:
        page.get_by_role("button", name="Add item").click()
        page.locator("textarea").nth(-2).fill(override)  # the last is for the data revision
    page.get_by_role("tab", name="int", exact=True).click()
    page.locator("input[type='number']").first.fill(str(seed))
    with page.expect_response(re.compile(r"/create_flow_run$")) as answer:
        page.get_by_role("button", name="Submit").click()
    run: str = answer.value.json()["id"]
    return run


def cancel(page: Page, address: str, run: str) -> None:
    """Cancel a run on its page."""
    page.goto(f"{address}/v2/runs/flow-run/{run}")
    page.get_by_role("button", name="Open menu").click()
    page.get_by_role("menuitem", name="Cancel").click()
    page.get_by_role("button", name="Cancel Flow Run").click()


def read_artifact(page: Page, address: str, run: str, key: str) -> str:
    """What a run's page shows of an artifact."""
    page.goto(f"{address}/v2/runs/flow-run/{run}?tab=Artifacts")
    page.locator(f"a[href$='/artifacts/key/{key}']").first.click()
    page.locator("a[href*='/artifacts/artifact/']").first.click()
    page.wait_for_url("**/artifacts/artifact/*")
    page.get_by_role("cell").first.wait_for()
    return page.get_by_role("main").inner_text()
