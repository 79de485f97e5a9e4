"""Pages, figures and pictures that need nothing but themselves."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from jinja2 import UndefinedError
from PIL import Image

from dwc.html import figure_axes, figure_svg, picture, render


def test_a_figure_is_inline_svg_with_its_text_as_text_and_the_same_bytes_each_time() -> None:
    def draw() -> str:
        figure, axes = figure_axes()
        axes.bar([1, 2], [3, 4])
        axes.set_xlabel("words <per> caption")
        return figure_svg(figure, 'a "label"')

    svg = draw()
    assert svg.startswith('<svg role="img" aria-label="a &#34;label&#34;"')
    assert "words &lt;per&gt; caption" in svg
    assert "http" not in svg
    assert svg == draw()


def test_a_picture_comes_back_from_its_data_uri() -> None:
    red = np.full((20, 30, 3), (200, 30, 40), dtype=np.uint8)
    head, _, data = picture(red).partition(",")
    assert head == "data:image/jpeg;base64"
    again = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    assert again.shape == red.shape
    assert np.abs(again.astype(int) - red).max() < 6


def test_a_variable_that_is_not_given_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        render("validation.html.j2")
