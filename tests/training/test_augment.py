"""Random views, worked out by hand at their extremes."""

from __future__ import annotations

import pytest
import torch

from dwc.training.augment import random_view


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_nothing_asked_nothing_done() -> None:
    images = torch.rand(2, 3, 8, 8)
    assert random_view(images, smallest_area=1.0, rotation=0.0, generator=generator()) is images


def test_a_crop_of_a_ramp_is_a_gentler_ramp() -> None:
    ramp = torch.arange(64.0).expand(1, 3, 64, 64)
    view = random_view(ramp, smallest_area=0.25, rotation=0.0, generator=generator())
    slopes = view[0, 0, 32, 1:] - view[0, 0, 32, :-1]
    assert slopes.std() < 1e-4
    area = slopes.mean().item() ** 2
    assert 0.25 <= area <= 1.0


def test_a_turn_keeps_the_centre_and_moves_the_rest() -> None:
    image = torch.zeros(1, 3, 33, 33)
    image[0, :, 16, 16:] = 1.0  # a line from the centre to the right
    view = random_view(image, smallest_area=1.0, rotation=90.0, generator=generator())
    assert view[0, 0, 16, 16] == pytest.approx(1.0, abs=1e-4)
    assert view[0, 0, 16, 30] < 0.5
    assert view.sum() == pytest.approx(image.sum().item(), rel=0.2)


def test_the_same_generator_gives_the_same_view() -> None:
    images = torch.rand(4, 3, 16, 16)
    first, second = (
        random_view(images, smallest_area=0.5, rotation=20.0, generator=generator()) for _ in range(2)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, images)


def test_a_smaller_view_shows_the_whole_picture() -> None:
    ramp = torch.arange(64.0).expand(1, 3, 64, 64)
    view = random_view(ramp, smallest_area=1.0, rotation=0.0, side=32, generator=generator())
    assert view.shape == (1, 3, 32, 32)
    assert torch.allclose(view[0, 0, 5], torch.arange(32.0) * 2 + 0.5, atol=1e-3)
