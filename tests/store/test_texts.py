"""Captions become sentences, word ids and training variants."""

from __future__ import annotations

from pathlib import Path

from dwc.store.texts import clean, sentence, variants
from dwc.store.vocabulary import SPECIAL, Vocabulary, split_words


def test_words_are_lower_case_and_keep_inner_hyphens() -> None:
    assert split_words("Is a T-shirt, isn't it? 3/4 SLEEVES!") == [
        "is",
        "a",
        "t-shirt",
        "isn't",
        "it",
        "3",
        "4",
        "sleeves",
    ]
    assert split_words("ÉCRU ß") == ["écru", "ss"]


def test_special_words_have_their_own_ids() -> None:
    vocabulary = Vocabulary.build(["is red", "is blue"], min_count=1)
    assert vocabulary.words == (*SPECIAL, "is", "blue", "red")
    assert vocabulary.encode(["is red", "is green"]) == [2, 5, 7, 3, 5, 1, 4]


def test_rare_words_become_unknown() -> None:
    assert Vocabulary.build(["is red", "is blue"], min_count=2).words == (*SPECIAL, "is")


def test_a_text_without_words_is_still_a_text() -> None:
    assert Vocabulary.build([]).encode([]) == [2, 4]


def test_a_saved_vocabulary_is_the_same(tmp_path: Path) -> None:
    vocabulary = Vocabulary.build(["naïve étoile"])
    vocabulary.save(tmp_path / "v.json")
    assert Vocabulary.load(tmp_path / "v.json").words == vocabulary.words


def test_captions_are_cleaned_and_joined() -> None:
    assert clean(["  is   red ", "", " \t"]) == ("is red",)
    assert sentence(["is red", "has dots"]) == "is red and has dots"


def test_the_first_variant_is_the_joined_one() -> None:
    assert variants(["a", "b"], "joined") == [("a", "b")]
    assert variants(["a", "b"], "orders_and_singles") == [("a", "b"), ("b", "a"), ("a",), ("b",)]
    assert variants(["a", "a"], "orders_and_singles") == [("a", "a"), ("a",)]
    assert variants(["a"], "orders_and_singles") == [("a",)]


def test_captions_joined_by_the_plain_word() -> None:
    vocabulary = Vocabulary.build(["red dress", "long"], and_token=False)
    assert "<AND>" not in vocabulary.words
    words = [vocabulary.words[number] for number in vocabulary.encode(["red", "long dress"])]
    assert words == ["<BOS>", "red", "and", "long", "dress", "<EOS>"]
