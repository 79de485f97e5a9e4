"""Explanations as they are drawn: bars of the words, and maps over the picture."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import expect

from dwc.evaluation.overlay import above_even
from tests.serving.page.window import RED, REFERENCE, Window, ask

pytestmark = pytest.mark.browser


def test_an_explanation_shows_what_words_do_and_where_they_look(window: Window) -> None:
    window.open(f"?image={REFERENCE}&text=is+red+instead")
    assert window.results
    window.page.get_by_role("button", name="Why these?").click()
    words = window.page.locator("#why-words button")
    explained = ask(window.address, "explain", image_id=REFERENCE, text=RED)
    expect(words.locator(".value")).to_have_text([written(word["score"]) for word in explained["words"]])
    peaks = [
        np.array(word["looked_at"]).max() * np.array(word["looked_at"]).size for word in explained["words"]
    ]
    full = float(np.clip(max(peaks), 1.5, 4.0))
    for place, word in enumerate(explained["words"]):
        words.nth(place).click()
        expect(words.nth(place)).to_have_attribute("aria-pressed", "true")
        expect(window.page.locator("#why-word")).to_contain_text(f"Leaving out “{word['text']}”")
        strength = above_even(np.array(word["looked_at"]), full)
        assert drawn(window, strength.shape) == pytest.approx(255 * 0.78 * strength, abs=1.5)
    window.page.get_by_text("What the text rewrites").click()
    rewritten = np.array(explained["rewritten"])
    stretched = (rewritten - rewritten.min()) / (np.ptp(rewritten) or 1.0)
    assert drawn(window, stretched.shape) == pytest.approx(255 * 0.78 * stretched, abs=1.5)
    expect(window.page.locator("#why-caption")).to_contain_text(f"{round(100 * rewritten.max())} % (full)")


def test_the_explanation_follows_the_slider(window: Window) -> None:
    window.open(f"?image={REFERENCE}&text=is+red+instead")
    assert window.results
    window.page.get_by_role("button", name="Why these?").click()
    expect(window.page.locator("#why-words button")).to_have_count(3)
    window.page.locator("#weight-slider").press("Home")
    explained = ask(window.address, "explain", image_id=REFERENCE, text=RED, image_weight=0)
    assert explained["image_weight_cnn"] == explained["image_weight_clip"] == 0
    by_model = ask(window.address, "explain", image_id=REFERENCE, text=RED)
    values = [[written(word["score"]) for word in found["words"]] for found in (explained, by_model)]
    assert values[0] != values[1]
    expect(window.page.locator("#why-words .value")).to_have_text(values[0])


def written(score: float) -> str:
    return "0.00" if abs(score) < 0.005 else f"{score:+.2f}".replace("-", "−")


def drawn(window: Window, shape: tuple[int, ...]) -> np.ndarray:
    """Opacity (0 to 255) of what is drawn over the middle of each region."""
    rows, columns = shape
    alpha = window.page.evaluate(
        """([rows, columns]) => {
            const canvas = document.getElementById("why-map");
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            const at = (row, column) => {
                const y = Math.floor((row + 0.5) / rows * canvas.height);
                const x = Math.floor((column + 0.5) / columns * canvas.width);
                return data[4 * (y * canvas.width + x) + 3];
            };
            return Array.from({ length: rows }, (_, row) =>
                Array.from({ length: columns }, (_, column) => at(row, column)));
        }""",
        [rows, columns],
    )
    return np.array(alpha, dtype=float)
