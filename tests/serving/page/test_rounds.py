"""Rounds: results that become references, the way back, and one result seen large."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.serving.page.window import BLUE, RED, REFERENCE, Window, found

pytestmark = pytest.mark.browser


def test_a_result_becomes_the_next_reference_and_every_round_can_be_gone_back_to(window: Window) -> None:
    window.open(f"?image={REFERENCE}&text=is+red+instead")
    first = window.results
    chosen = next(image for image in first[1:] if image != REFERENCE)
    place = first.index(chosen)
    window.page.locator("#results-grid li").nth(place).hover()
    window.page.get_by_role("button", name=f"Use {chosen} as the next reference").click()
    expect(window.page.locator("#text")).to_be_focused()
    assert window.page.input_value("#text") == ""
    assert window.results == first
    window.say(BLUE)
    second = found(window.address, BLUE, chosen)
    window.wait_for(second)

    rounds = window.page.locator("#trail button")
    expect(rounds).to_have_text([f"“{RED}”", f"“{BLUE}”"])
    expect(rounds.nth(1)).to_have_attribute("aria-current", "step")
    rounds.nth(0).click()
    window.wait_for(first)
    assert window.page.input_value("#text") == RED
    expect(rounds).to_have_count(2)

    window.page.go_back()
    window.wait_for(second)
    window.page.go_back()
    window.wait_for(first)  # the second round, still without a text
    assert window.page.input_value("#text") == ""
    window.page.go_back()
    expect(window.page.locator("#trail")).to_be_hidden()
    assert window.page.url.endswith("?image=dress-2&text=is+red+instead")
    window.page.go_forward()
    window.page.go_forward()
    window.wait_for(second)
    window.page.reload()
    window.wait_for(second)
    expect(rounds).to_have_count(2)


def test_a_result_is_seen_large_by_keys_alone(window: Window) -> None:
    window.open(f"?image={REFERENCE}&text=is+red+instead")
    first = window.results
    look = window.page.locator("#look")
    window.page.locator("#results-grid .open").nth(1).press("Enter")
    expect(look.get_by_role("heading")).to_have_text(first[1])
    window.page.keyboard.press("ArrowRight")
    expect(look.get_by_role("heading")).to_have_text(first[2])
    window.page.keyboard.press("Escape")
    expect(look).to_be_hidden()
    expect(window.page.locator("#results-grid .open").nth(1)).to_be_focused()
    window.page.keyboard.press("Enter")
    expect(window.page.locator("#look-use")).to_be_focused()
    window.page.keyboard.press("Enter")
    expect(window.page.locator("#reference-name")).to_have_text(first[1])
