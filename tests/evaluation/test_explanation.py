"""Words, overlays and pages of an explanation, worked out by hand."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from dwc.evaluation.explained import show
from dwc.evaluation.explanation import Effect, distinct_words, token_places, without
from dwc.evaluation.explanation_page import terminal_text, write_page
from dwc.evaluation.overlay import above_even, enlarge, heat
from dwc.store.vocabulary import Vocabulary
from tests.evaluation.explanations import explanation, region_map

CAPTIONS = ("is Red, 3/4 sleeves", "red – red/blue V-neck")
GREY = np.full((4, 8, 3), 100, dtype=np.uint8)


def test_a_word_is_one_word_wherever_it_stands() -> None:
    words = distinct_words(CAPTIONS)
    assert [word.text for word in words] == ["is", "Red", "3/4", "sleeves", "–", "red/blue", "V-neck"]
    assert words[1].places == ((0, 1), (1, 0))


def test_leaving_a_word_out_leaves_out_every_occurrence() -> None:
    assert without(CAPTIONS, distinct_words(CAPTIONS)[1]) == ("is 3/4 sleeves", "– red/blue V-neck")
    assert without(("red", "is red"), distinct_words(("red", "is red"))[0]) == ("is",)
    assert without(("red",), distinct_words(("red",))[0]) == ()


def test_words_are_found_again_in_what_the_cnn_stream_reads() -> None:
    """`<BOS> is red 3 4 sleeves <AND> red red blue v-neck <EOS>`; the dash is not read."""
    vocabulary = Vocabulary.build(CAPTIONS)
    read = [vocabulary.words[number] for number in vocabulary.encode(CAPTIONS)]
    places = [token_places(CAPTIONS, word) for word in distinct_words(CAPTIONS)]
    assert places == [[1], [2, 7], [3, 4], [5], [], [8, 9], [10]]
    assert [read[place] for row in places for place in row] == [
        "is", "red", "red", "3", "4", "sleeves", "red", "blue", "v-neck",
    ]  # fmt: skip


def test_both_streams_together() -> None:
    effect = Effect(score_cnn=0.3, score_clip=-0.1, change_cnn=0.2, change_clip=0.4, rank=1)
    assert effect.score == pytest.approx(0.2)
    assert effect.change == pytest.approx(0.3)
    assert explanation().score == pytest.approx(0.75)
    assert explanation().marks_share == pytest.approx(0.1)  # of region 1: 1 − 0.6 − 0.3, of region 2 the same
    assert explanation(editors=False).marks_share == 0.0


def test_an_even_share_has_no_colour() -> None:
    shares = np.array([[0.5, 0.25], [0.15, 0.1]], dtype=np.float32)
    assert above_even(shares, 2.0).tolist() == [[1.0, 0.0], [0.0, 0.0]]
    assert above_even(shares, 3.0).tolist() == [[0.5, 0.0], [0.0, 0.0]]


def test_the_overlay_of_a_tiny_map() -> None:
    """Below lies 0.65 · 100 + 0.35 · 255 = 154.25; full strength puts 3/4 of the ink over it."""
    picture = np.full((1, 2, 3), 100, dtype=np.uint8)
    found = heat(picture, region_map(0.0, 1.0), "#ff8000")
    assert found.tolist() == [[[154, 154, 154], [230, 135, 39]]]


def test_a_map_is_enlarged_in_place_smoothly_and_within_its_range() -> None:
    large = enlarge(region_map(0.0, 1.0), 3, 40)
    assert large.shape == (3, 40) and large.min() == 0.0 and large.max() == 1.0
    assert (np.diff(large[0, 10:30]) > 0).all()  # from centre of region to centre of region
    assert large[0, 19] + large[0, 20] == pytest.approx(1.0, abs=1e-3)


def test_bars_share_one_scale() -> None:
    """Scores from −0.1 to 0.3: zero at a quarter. Changes 0.4 and 0.1 of the CNN stream alone."""
    found = show(explanation(), GREY, "the target")
    assert found.zero == pytest.approx(25.0)
    bars = [(row.score.start, row.score.length) for row in found.words]
    assert bars == [
        pytest.approx((25.0, 75.0)),
        pytest.approx((0.0, 25.0)),
        pytest.approx((25.0, 0.0)),
    ]
    assert [row.change[0].length for row in found.words] == pytest.approx([100.0, 25.0, 0.0])


def test_regions_name_their_most_attended_word() -> None:
    found = show(explanation(), GREY, "the target")
    assert [[(region.text, region.share) for region in row] for row in found.regions] == [
        [("red", pytest.approx(0.6)), ("<mauve>", pytest.approx(0.7))]
    ]
    assert [(overlay.text, overlay.peak) for overlay in found.overlays] == [("red", 1.5), ("<mauve>", 1.0)]
    assert found.peak == pytest.approx(1.5) and found.full == pytest.approx(1.5) and not found.nearly_even


def test_a_word_that_stands_twice_does_not_win_by_that() -> None:
    """0.6 of region 1 goes to "red", but at two places, and 0.3 to "<mauve>" at one: a tie, then less."""
    whole = explanation()
    for places, winner in ((2, "red"), (3, "<mauve>")):
        words = (replace(whole.words[0], tokens=places), *whole.words[1:])
        assert show(replace(whole, words=words), GREY, "the target").regions[0][0].text == winner


def page(tmp_path: Path, *, editors: bool = True) -> str:
    file = tmp_path / "page.html"
    write_page(
        file,
        explanation(editors=editors),
        GREY,
        captions=["red & <mauve>", "–"],
        model="models:/dwc-<x>@challenger",
        ids=["a1", "a2"],
        scores=[0.75, 0.5],
        pictures={"a1": GREY},
        gallery=1234,
    )
    return file.read_text(encoding="utf-8")


def test_the_page_holds_everything_and_escapes_texts(tmp_path: Path) -> None:
    text = page(tmp_path)
    for part in (
        "red &amp; &lt;mauve&gt; and –", "models:/dwc-&lt;x&gt;@challenger", "picture 80 %", "text 60 %",
        "Score of the first result", "−0.100", "+0.300", "unknown to the CNN", "1,234 images",
        "Most attended word of each region", "20 % (pale) to 60 % (full)", "only the name is known",
    ):  # fmt: skip
        assert part in text, part
    assert "<mauve>" not in text
    assert text.count("data:image/jpeg") == 2 + 1 + 1 + 2  # reference twice, a result, rewritten, two words
    assert not re.search(r"https?://|@import|<script|<link", text)
    assert "no editors" not in text


def test_a_model_without_editors_has_words_but_no_regions(tmp_path: Path) -> None:
    text = page(tmp_path, editors=False)
    assert "This model has no editors" in text
    assert "Most attended word" not in text and "rewrites" not in text and "gates" not in text
    assert "+0.300" in text


def test_a_page_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "page.html").mkdir()
    with pytest.raises(ValueError, match=r"page.html: cannot be written .* Choose another file"):
        page(tmp_path)


def test_the_terminal_shows_weights_and_words(capsys: pytest.CaptureFixture[str]) -> None:
    Console(width=80).print(terminal_text(explanation()))
    lines = capsys.readouterr().out.splitlines()
    assert "picture 80%, text 20%" in lines[0] and lines[0].count("█") == 19
    red = next(line for line in lines if " red " in line)
    assert red.count("█") == 24 and "20.0%" in red and "+0.300" in red
    assert any("<mauve> (unknown)" in line and "-0.100" in line for line in lines)
    assert max(map(len, lines)) <= 80
