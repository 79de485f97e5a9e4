"""Pictures of one's own: uploaded, dropped, pasted, large, and none at all."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.serving.page.window import BLUE, RED, Window, ask
from tests.serving.tiny import Tiny

pytestmark = pytest.mark.browser


def test_an_uploaded_picture_is_searched_with(window: Window, tiny: Tiny) -> None:
    window.open()
    window.page.set_input_files("#upload", tiny.images[5])
    expect(window.page.locator("#reference-name")).to_have_text(tiny.images[5].name)
    window.say(RED)
    content = base64.b64encode(tiny.images[5].read_bytes()).decode()
    answer = ask(window.address, "search", image=content, text=RED)
    window.wait_for([result["id"] for result in answer["results"]])
    assert window.asked[-1]["image"] == content
    window.page.reload()
    expect(window.page.locator("#notices")).to_contain_text("was not kept when the page was loaded again")


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_a_picture_can_be_dropped_and_pasted(window: Window, tiny: Tiny, way: str) -> None:
    window.open()
    content = base64.b64encode(tiny.images[4].read_bytes()).decode()
    window.page.evaluate(
        """([way, content]) => {
            const bytes = Uint8Array.from(atob(content), (character) => character.charCodeAt(0));
            const given = new DataTransfer();
            given.items.add(new File([bytes], "own.png", { type: "image/png" }));
            const event = way === "drop"
                ? new DragEvent("drop", { dataTransfer: given, bubbles: true, cancelable: true })
                : new ClipboardEvent("paste", { clipboardData: given, bubbles: true, cancelable: true });
            document.body.dispatchEvent(event);
        }""",
        [way, content],
    )
    expect(window.page.locator("#reference-name")).to_have_text("own.png")
    window.say(BLUE)
    assert window.results
    assert window.asked[-1]["image"] == content


def test_a_large_photograph_is_scaled_before_it_is_sent(window: Window) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (1500, 2000, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "JPEG", quality=90)
    window.open()
    window.page.set_input_files(
        "#upload", {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": file.getvalue()}
    )
    expect(window.page.locator("#reference-name")).to_have_text("photo.jpg")
    window.say(RED)
    assert window.results
    sent = Image.open(io.BytesIO(base64.b64decode(window.asked[-1]["image"])))
    assert (sent.format, sent.size) == ("JPEG", (1365, 1024))


def test_what_is_no_picture_is_refused_in_a_sentence(window: Window) -> None:
    window.open()
    window.page.set_input_files("#upload", {"name": "list.txt", "mimeType": "text/plain", "buffer": b"x"})
    expect(window.page.locator("#notices")).to_contain_text("list.txt is not a picture")
    window.page.press("#text", "Enter")
    expect(window.page.locator("#text-help")).to_have_text("Choose a picture to start from first.")
    assert not window.asked
