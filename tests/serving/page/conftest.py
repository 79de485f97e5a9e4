"""A server over the tiny model's gallery, Chromium, and windows on the search page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from dwc.serving.app import create_app
from dwc.serving.service import Service
from tests.serving.page.window import CHROMIUM, Window, chromium, running
from tests.serving.shop import open_shop
from tests.serving.tiny import Tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gallery")


@pytest.fixture(scope="module")
def service(tiny: Tiny, folder: Path) -> Iterator[Service]:
    with open_shop(tiny, folder) as service:
        yield service


@pytest.fixture(scope="module")
def address(service: Service) -> Iterator[str]:
    with running(create_app(service)) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    with chromium() as running:
        yield running


@pytest.fixture
def window(browser: Browser, address: str) -> Iterator[Window]:
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    window = Window(context.new_page(), address)
    yield window
    context.close()
    assert not window.problems


@pytest.fixture
def phone(browser: Browser, address: str) -> Iterator[Window]:
    context = browser.new_context(
        viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True, color_scheme="dark"
    )
    window = Window(context.new_page(), address)
    yield window
    context.close()
    assert not window.problems
