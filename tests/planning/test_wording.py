"""Times and sizes in words."""

from __future__ import annotations

import pytest

from dwc.planning.wording import amount, duration


@pytest.mark.parametrize(
    ("seconds", "words"), [(4, "0 s"), (58, "60 s"), (600, "10 min"), (5399, "90 min"), (5400, "1.5 h")]
)
def test_durations_in_few_digits(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 MB"), (2.4e7, "24 MB"), (1e8, "0.1 GB"), (1.25e12, "1,250.0 GB")]
)
def test_sizes_in_few_digits(count: float, words: str) -> None:
    assert amount(count) == words
