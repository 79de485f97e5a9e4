"""Small screens, contrast, and names for those who hear the page."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from tests.serving.page.window import BLUE, RED, REFERENCE, Window, found

pytestmark = pytest.mark.browser


def test_a_phone_is_wide_enough(phone: Window) -> None:
    phone.open()
    assert phone.overflow() == 0
    phone.page.locator(f'[data-image="{REFERENCE}"]').tap()
    phone.say("is red instead, and the whole of it considerably longer than anybody ever wanted it to be")
    first = phone.results
    assert phone.overflow() == 0
    assert phone.page.locator("#results-title").evaluate("title => title.getBoundingClientRect().top") < 400
    phone.page.get_by_role("button", name="Why these?").tap()
    expect(phone.page.locator("#why-words button").first).to_be_visible()
    assert phone.overflow() == 0
    phone.page.locator("#results-grid .open").nth(2).tap()
    assert phone.overflow() == 0
    phone.page.locator("#look-use").tap()
    expect(phone.page.locator("#reference-name")).to_have_text(first[2])
    phone.say(BLUE)
    expect(phone.page.locator("#trail button")).to_have_count(2)
    phone.wait_for(found(phone.address, BLUE, first[2]))
    assert phone.overflow() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_below_it(browser: Browser, address: str, scheme: Any) -> None:
    """A contrast of 4.5, as WCAG's level AA asks of text."""
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    page.goto(address)
    colours = page.evaluate(
        """names => names.map(name => {
            const spot = document.body.appendChild(document.createElement("i"));
            spot.style.color = `var(--${name})`;
            return getComputedStyle(spot).color.match(/[\\d.]+/g).slice(0, 3).map(Number);
        })""",
        ["ink", "muted", "accent", "error", "on-accent", "paper", "wash", "error-wash", "accent-wash"],
    )
    context.close()
    ink, muted, accent, error, on_accent, paper, wash, error_wash, accent_wash = map(luminance, colours)
    pairs = [(text, below) for text in (ink, muted, accent) for below in (paper, wash)]
    pairs += [
        (on_accent, accent),
        (ink, error_wash),
        (error, paper),
        (ink, accent_wash),
        (accent, accent_wash),
    ]
    for text, below in pairs:
        assert (max(text, below) + 0.05) / (min(text, below) + 0.05) >= 4.5
    assert (paper < ink) == (scheme == "dark")


def luminance(colour: list[float]) -> float:
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in np.divide(colour, 255)
    ]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def test_everything_that_can_be_used_has_a_name(window: Window) -> None:
    window.open()
    assert_named(window)
    window.pick(REFERENCE)
    window.say(RED)
    assert window.results
    window.page.get_by_role("button", name="Why these?").click()
    expect(window.page.locator("#why-words button")).to_have_count(3)
    assert_named(window)
    window.page.locator("#results-grid .open").first.click()
    assert_named(window)


def assert_named(window: Window) -> None:
    for role in ("button", "textbox", "slider", "combobox", "radio", "searchbox", "img"):
        for element in window.page.get_by_role(role).all():
            line = element.aria_snapshot().splitlines()[0].replace("- '", "- ")
            assert line.startswith(f'- {role} "'), line
