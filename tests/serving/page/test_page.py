"""The search page in a real browser: choosing, searching, the slider, and what can go wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route, expect

from dwc.serving.app import create_app
from dwc.serving.gallery_folder import GalleryFolder
from dwc.serving.service import Service
from tests.serving.page.window import BLUE, OTHER, RED, REFERENCE, Window, ask, found, running
from tests.serving.shop import live_of, open_shop
from tests.serving.tiny import Tiny

pytestmark = pytest.mark.browser


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


def test_the_example_is_one_click(window: Window) -> None:
    window.open()
    window.page.locator("#example").click()
    window.wait_for(found(window.address, "is red", "dress-0"))


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
    window.page.evaluate(
        """() => {
            const slider = document.getElementById("weight-slider");
            for (const weight of [1, 0.9, 0.7, 0.5, 0.1]) {
                slider.value = weight;
                slider.dispatchEvent(new Event("input"));
            }
        }"""
    )
    window.wait_for(found(window.address, image_weight=0.1))
    assert [question["image_weight"] for question in window.asked] == [None, 0.1]


def test_a_move_of_the_slider_does_not_reach_the_next_search(window: Window) -> None:
    window.open(f"?image={REFERENCE}&text=is+red+instead")
    assert window.results
    window.page.fill("#text", BLUE)
    window.page.evaluate(
        """() => {
            const slider = document.getElementById("weight-slider");
            slider.value = 0;
            slider.dispatchEvent(new Event("input"));
            document.getElementById("query").requestSubmit();
        }"""
    )
    window.wait_for(found(window.address, BLUE))
    window.page.wait_for_timeout(400)
    assert [question["image_weight"] for question in window.asked] == [None, None]
    assert "weight" not in window.page.url


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
