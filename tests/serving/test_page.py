"""The search page in a real browser: a server with a tiny model, Chromium, real clicks and keys."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Route, expect

from dwc.evaluation.overlay import above_even
from dwc.serving.app import create_app
from dwc.serving.gallery_folder import GalleryFolder
from dwc.serving.service import Service
from tests.serving.shop import live_of, open_shop
from tests.serving.tiny import Tiny
from tests.serving.window import CHROMIUM, Window, ask, chromium, running

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
]

RED, BLUE = "is red instead", "is longer and blue"
REFERENCE, OTHER = "dress-2", "shirt-3"


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


def found(address: str, text: str = RED, image_id: str = REFERENCE, **rest: Any) -> list[str]:
    answer = ask(address, "search", image_id=image_id, text=text, **rest)
    return [result["id"] for result in answer["results"]]


def test_a_picture_and_a_text_find_what_the_interface_finds(window: Window) -> None:
    window.open()
    window.pick(REFERENCE)
    expect(window.page.locator("#text")).to_be_focused()
    window.say(RED)
    answer = ask(window.address, "search", image_id=REFERENCE, text=RED)
    window.wait_for([result["id"] for result in answer["results"]])
    scores = window.page.locator("#results-grid i").all_inner_texts()
    assert scores == [f"{result['score']:.2f}" for result in answer["results"]]
    assert window.page.url.endswith("?image=dress-2&text=is+red+instead")
    window.page.reload()
    window.wait_for([result["id"] for result in answer["results"]])
    assert window.page.input_value("#text") == RED


def test_an_address_is_a_search(window: Window) -> None:
    window.open(f"?image={OTHER}&text=is+longer+and+blue&weight=0.1&category=dress")
    expected = found(window.address, BLUE, OTHER, image_weight=0.1, category="dress")
    window.wait_for(expected)
    assert window.page.input_value("#category") == "dress"
    assert window.page.input_value("#weight-slider") == "0.1"
    window.page.select_option("#category", "")
    window.wait_for(found(window.address, BLUE, OTHER))
    assert window.asked[-1]["category"] is None


def test_the_gallery_is_narrowed_by_category_and_name(window: Window) -> None:
    window.open()
    grid = window.page.locator("#gallery-grid button")
    expect(grid).to_have_count(12)
    window.page.get_by_role("button", name="shirt", exact=True).click()
    expect(grid).to_have_count(7)  # six shirts, and the dress that is in both
    window.page.fill("#gallery-query", "-1")
    expect(grid).to_have_count(2)  # shirt-1, shirt-11
    window.page.fill("#gallery-query", "hat")
    expect(window.page.locator("#gallery-state")).to_contain_text("No picture’s name has “hat”")


def test_more_of_the_gallery_and_of_the_results(browser: Browser, tiny: Tiny, tmp_path: Path) -> None:
    with open_shop(tiny, tmp_path) as service, running(create_app(service)) as address:
        kept = service.decode(tiny.images[3].read_bytes())
        for number in range(60):
            service.changes.submit(service.add, f"copy-{number}", ["shirt"], kept).result()
        window = Window(browser.new_page(), address)
        window.open()
        gallery = window.page.locator("#gallery-grid button")
        expect(gallery).to_have_count(60)
        window.page.get_by_role("button", name="More pictures").click()
        expect(gallery).to_have_count(72)
        assert len(set(gallery.evaluate_all("all => all.map((one) => one.dataset.image)"))) == 72
        expect(window.page.get_by_role("button", name="More pictures")).to_be_hidden()
        window.pick(REFERENCE)
        window.say(RED)
        for count in (24, 48, 72):
            window.wait_for(found(address, k=count))
            window.page.get_by_role("button", name="More results").click()
        expect(window.page.get_by_role("button", name="More results")).to_be_hidden()
        window.page.close()
        assert not window.problems


def test_the_slider_overrides_the_models_weight_and_gives_it_back(window: Window) -> None:
    window.open(f"?image={REFERENCE}&text=is+red+instead")
    answer = ask(window.address, "search", image_id=REFERENCE, text=RED)
    by_model = window.results
    learned = answer["learned_image_weight"]
    slider = window.page.locator("#weight-slider")
    assert float(slider.input_value()) == pytest.approx(learned, abs=0.006)
    assert window.asked[-1]["image_weight"] is None

    slider.press("Home")
    by_text = found(window.address, image_weight=0)
    assert by_text != by_model
    window.wait_for(by_text)
    assert window.asked[-1]["image_weight"] == 0
    assert "weight=0" in window.page.url
    expect(window.page.locator("#weight-value")).to_have_text("Yours: 0 % picture, 100 % text")
    mark = window.page.locator("#weight-mark")
    expect(mark).to_have_attribute("data-label", f"model {round(100 * learned)} %")
    middle = mark.bounding_box()
    track = slider.bounding_box()
    assert middle and track
    thumb = 22.4  # 1.4rem: the thumb's middle moves within the track less one thumb
    expected = track["x"] + thumb / 2 + learned * (track["width"] - thumb)
    assert middle["x"] + middle["width"] / 2 == pytest.approx(expected, abs=1.5)

    window.page.click("#weight-reset")
    window.wait_for(by_model)
    assert "weight" not in window.page.url
    assert float(slider.input_value()) == pytest.approx(learned, abs=0.006)


def test_many_moves_of_the_slider_are_one_search(window: Window) -> None:
    window.open(f"?image={REFERENCE}&text=is+red+instead")
    assert window.results
    before = len(window.asked)
    slider = window.page.locator("#weight-slider")
    slider.press("End")
    for _ in range(5):
        slider.press("ArrowLeft")
    window.wait_for(found(window.address, image_weight=0.95))
    assert [question["image_weight"] for question in window.asked[before:]][-1] == 0.95
    assert len(window.asked) - before <= 2


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


def test_the_explanation_follows_the_slider(window: Window) -> None:
    window.open(f"?image={REFERENCE}&text=is+red+instead")
    assert window.results
    window.page.get_by_role("button", name="Why these?").click()
    expect(window.page.locator("#why-words button")).to_have_count(3)
    window.page.locator("#weight-slider").press("Home")
    expect(window.page.locator("#why-word")).to_contain_text("by the model’s own weight, not yours")
    explained = ask(window.address, "explain", image_id=REFERENCE, text=RED, image_weight=0)
    expect(window.page.locator("#why-words .value")).to_have_text(
        [written(word["score"]) for word in explained["words"]]
    )


def test_the_servers_sentence_is_shown_and_it_can_be_tried_again(window: Window) -> None:
    window.open(f"?image={REFERENCE}&text=is+red+instead&category=hats")
    note = window.page.locator("#results-state .note.error")
    expect(note).to_contain_text("hats")
    expect(note).to_have_attribute("role", "alert")
    assert window.problems and all("404" in problem for problem in window.problems)
    window.problems.clear()

    window.page.route("**/api/search", lambda route: route.abort())
    window.open(f"?image={REFERENCE}&text=is+red+instead")
    expect(note).to_contain_text("The server does not answer")
    assert window.problems and all("ERR_FAILED" in problem for problem in window.problems)
    window.problems.clear()
    window.page.unroute("**/api/search")
    window.page.get_by_role("button", name="Try again").click()
    window.wait_for(found(window.address))


def test_an_answer_that_comes_too_late_is_dropped(window: Window) -> None:
    window.open()
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    window.page.route("**/api/search", hold_the_first)
    window.pick(REFERENCE)
    window.say(RED)
    expect(window.page.locator("#results-grid .skeleton")).to_have_count(12)
    window.say(BLUE)
    window.wait_for(found(window.address, BLUE))
    late = ask(window.address, "search", image_id=REFERENCE, text=RED)
    held[0].fulfill(body=json.dumps(late), content_type="application/json")
    window.page.wait_for_timeout(300)
    assert window.results == found(window.address, BLUE)


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


def test_another_model_that_answers_is_told_of(
    window: Window, service: Service, folder: Path, tiny: Tiny
) -> None:
    window.open(f"?image={REFERENCE}&text=is+red+instead")
    first = window.results
    opened = GalleryFolder.at(folder)
    newer = live_of(opened, tiny, version="12")
    service.changes.submit(service.exchange, newer).result()
    opened.store.close()

    window.say(BLUE)
    notices = window.page.locator("#notices")
    expect(notices).to_contain_text("Model version 12 has taken the place of version 1:")
    expect(window.page.locator("#about")).to_contain_text("model version 12")
    window.page.get_by_role("button", name="Understood").click()
    expect(notices).to_be_empty()
    asked = len(window.asked)
    window.page.go_back()
    window.wait_for(first)
    assert len(window.asked) == asked + 1  # what the model before found is not shown as this one's


def test_the_example_is_one_click(window: Window) -> None:
    window.open()
    window.page.locator("#example").click()
    window.wait_for(found(window.address, "is red", "dress-0"))
