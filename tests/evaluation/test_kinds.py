"""What texts ask to change, by their words."""

from __future__ import annotations

from pathlib import Path

import pytest

from dwc.evaluation.kinds import FEWEST, all_kinds, kinds_of, weights_by_kind
from tests.evaluation.test_report import run


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("is Navy blue instead of red", ("colour",)),
        ("has longer sleeves", ("sleeves",)),
        ("is long sleeved and longer", ("sleeves", "length")),
        ("polka dot with a v-neck", ("pattern", "neckline")),
        ("has a slogan print and a belt", ("print or logo", "details")),
        ("is bored and tired", ("other words",)),  # neither red nor tie
        ("a nicer one", ("other words",)),
        ("", ("other words",)),
    ],
)
def test_kinds_are_found_by_words(text: str, kinds: tuple[str, ...]) -> None:
    assert kinds_of(text) == kinds
    assert set(kinds) <= set(all_kinds())


def test_weights_are_grouped_and_small_groups_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four queries that all name a colour, image weights 0, 1/3, 2/3 and 1."""
    evaluation, store = run(tmp_path)
    fused = evaluation.rankings[evaluation.rankings["system"] == "fused"]
    assert len(fused) < FEWEST and weights_by_kind(fused, store, "image_weight_cnn") == {}
    monkeypatch.setattr("dwc.evaluation.kinds.FEWEST", 4)
    found = weights_by_kind(fused, store, "image_weight_cnn")
    assert list(found) == ["colour"]
    assert found["colour"].tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])
