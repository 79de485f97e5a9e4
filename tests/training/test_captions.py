"""Captions made cleaner or noisier for a study."""

from __future__ import annotations

import pandas as pd
import pytest

from dwc.store.texts import sentence, variants
from dwc.training.captions import with_replaced_texts, without_known_noise

CAPTIONS = {
    "a": [" is red", "is  long"],
    "b": ["is blue", "nicer"],
    "c": ["different", "nicer"],
    "d": ["is red"],
}
NOISE = {"a": ["clean", "clean"], "b": ["clean", "vague"], "c": ["contradicting", "vague"]}


def stored(kind: str) -> tuple[pd.DataFrame, list[str]]:
    """The triplets and texts as the store holds them."""
    cleaned = [tuple(" ".join(text.split()) for text in row) for row in CAPTIONS.values()]
    shown = [variants(row, kind) for row in cleaned]  # type: ignore[arg-type]
    texts = list(dict.fromkeys(sentence(part) for row in shown for part in row))
    rows = [[texts.index(sentence(part)) for part in row] for row in shown]
    return pd.DataFrame({"triplet_id": list(CAPTIONS), "category": "dress", "texts": rows}), texts


def said(triplets: pd.DataFrame, texts: list[str]) -> dict[str, list[str]]:
    return {
        name: [texts[row] for row in rows]
        for name, rows in zip(triplets["triplet_id"], triplets["texts"], strict=True)
    }


def test_known_noise_is_left_out_caption_by_caption() -> None:
    triplets, texts = stored("orders_and_singles")
    assert said(without_known_noise(triplets, texts, CAPTIONS, NOISE), texts) == {
        "a": ["is red and is long", "is long and is red", "is red", "is long"],
        "b": ["is blue"],
        "d": ["is red"],
    }


def test_joined_captions_with_known_noise_are_left_out_whole() -> None:
    triplets, texts = stored("joined")
    assert list(said(without_known_noise(triplets, texts, CAPTIONS, NOISE), texts)) == ["a", "d"]


def test_without_known_noise_there_is_nothing_to_leave_out() -> None:
    triplets, texts = stored("joined")
    with pytest.raises(ValueError, match=r"no noise\.json"):
        without_known_noise(triplets, texts, CAPTIONS, {})


def numbered(sizes: dict[str, int]) -> pd.DataFrame:
    """Triplets whose only text is their own number."""
    categories = [name for name, size in sizes.items() for _ in range(size)]
    order = range(len(categories))
    return pd.DataFrame({"category": categories, "texts": [[n] for n in order]}).sample(
        frac=1, random_state=0
    )


def changed(share: float, seed: int = 1) -> pd.Series:
    triplets = numbered({"dress": 40, "shirt": 20})
    noisy = with_replaced_texts(triplets, share, seed)
    assert noisy.drop(columns="texts").equals(triplets.drop(columns="texts"))
    return noisy["texts"][noisy["texts"] != triplets["texts"]].sort_index()


def test_the_share_of_replaced_texts_is_exact_in_each_category() -> None:
    for share in (0.0, 0.3, 0.55, 1.0):
        categories = numbered({"dress": 40, "shirt": 20})["category"]
        counts = categories[changed(share).index].value_counts().to_dict()
        assert counts == {k: n for k, n in {"dress": 40 * share, "shirt": 20 * share}.items() if n}


def test_replaced_texts_come_from_the_same_category() -> None:
    texts = changed(1.0)
    for category, bounds in {"dress": (0, 40), "shirt": (40, 60)}.items():
        rows = [row for n, (row,) in texts.items() if bounds[0] <= n < bounds[1]]
        assert sorted(rows) == list(range(*bounds)), category


def test_more_noise_contains_less_noise_and_seeds_differ() -> None:
    some, more = changed(0.3), changed(0.6)
    assert more[some.index].equals(some)
    assert not changed(0.3, seed=2).equals(some)


def test_a_lonely_triplet_keeps_its_text() -> None:
    assert with_replaced_texts(numbered({"dress": 1}), 1.0, 1)["texts"].tolist() == [[0]]
