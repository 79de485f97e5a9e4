"""What people write about garments: modification captions, good and bad, and a shop's product titles."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from numpy.random import Generator

from dwc.raw.drawn.families import Wish
from dwc.raw.drawn.traits import NEIGHBOURS, Attributes, values_of
from dwc.raw.drawn.words import (
    COLOUR_WORDS,
    DETAILS,
    GRAPHICS,
    LENGTHS,
    NECKLINES,
    ONE,
    PATTERN_IS,
    PATTERN_NOUNS,
    SLEEVES_HAS,
    SLEEVES_IS,
    TITLE_NOUNS,
    TITLE_PLAIN,
    TWO,
    VAGUE,
    Kind,
)

Noise = Literal["clean", "vague", "wrong_neighbour", "contradicting"]
Fragment = tuple[Kind, str]

OMISSION_SHARE = 0.4  # of the queries with two wishes: one caption mentions only one of them
LOOSE_SHARE = 0.3  # of second captions: "longer sleeves" where the first says "long sleeves"
TYPO_SHARE = 0.03


def _any(rng: Generator, options: Sequence[str]) -> str:
    return options[int(rng.integers(len(options)))]


def _colour_word(colour: str, rng: Generator) -> str:
    return _any(rng, COLOUR_WORDS.get(colour, (colour,)))


def _spelt(rng: Generator) -> str:
    return _any(rng, ("colour", "color"))


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _colour(wish: Wish, rng: Generator) -> list[Fragment]:
    if wish.tone != "value":
        word = "lighter" if wish.tone == "more" else "darker"
        return [("is", word), ("is", f"{word} in {_spelt(rng)}"), ("has", f"a {word} {_spelt(rng)}")]
    new, old = _colour_word(wish.new, rng), _colour_word(wish.old, rng)
    instead = _any(rng, (f"{new} instead of {old}", f"{new} rather than {old}", f"{new} not {old}"))
    noun = f"{_article(new)} {_spelt(rng)}"
    return [("is", new), ("is", new), ("is", f"in {new}"), ("is", instead), ("has", noun)]


def _pattern(wish: Wish, rng: Generator) -> list[Fragment]:
    if wish.tone == "any":
        return [("has", "a pattern"), ("is", "patterned"), ("is", "less plain"), ("has", "a print all over")]
    new, old = _any(rng, PATTERN_IS[wish.new]), PATTERN_IS[wish.old][0]
    if wish.new == "solid":
        gone = _any(rng, PATTERN_NOUNS[wish.old])
        return [("is", new), ("is", new), ("lacks", gone), ("lacks", "pattern")]
    noun = _any(rng, PATTERN_NOUNS[wish.new])
    if wish.second:
        second = _colour_word(wish.second, rng)
        return [("has", f"{second} {noun}"), ("has", f"{noun} in {second}"), ("is", f"{new} with {second}")]
    instead = _any(rng, (f"more {new} and less {old}", f"{new} instead of {old}"))
    return [("is", new), ("is", new), ("has", noun), ("has", noun), ("is", instead)]


def _second_colour(wish: Wish, rng: Generator) -> list[Fragment]:
    new, old = _colour_word(wish.new, rng), _colour_word(wish.old, rng)
    thing = _any(rng, ("print", "pattern", "design"))
    return [("has", f"{_article(new)} {thing}"), ("has", f"{_article(new)} {thing} instead of {old}"),
            ("has", f"{new} in the {thing} not {old}")]  # fmt: skip


def _sleeves(wish: Wish, rng: Generator) -> list[Fragment]:
    if wish.tone == "any":
        return [("has", "sleeves"), ("has", "sleeves"), ("is", "not sleeveless")]
    if wish.tone != "value":
        return [("has", "longer sleeves" if wish.tone == "more" else "shorter sleeves")]
    if wish.new == "sleeveless":
        return [("is", _any(rng, SLEEVES_IS["sleeveless"])), ("lacks", "sleeves")]
    return [("has", _any(rng, SLEEVES_HAS[wish.new])), ("is", _any(rng, SLEEVES_IS[wish.new]))]


def _neckline(wish: Wish, rng: Generator) -> list[Fragment]:
    new = _any(rng, NECKLINES[wish.new])
    if wish.old == "collar":
        return [("has", new), ("has", f"{new} instead of a collar"), ("has", f"{new} and no collar")]
    return [("has", new), ("has", new), ("has", f"{new} rather than {_any(rng, NECKLINES[wish.old])}")]


def _length(wish: Wish, rng: Generator) -> list[Fragment]:
    if wish.tone == "value":
        return [("is", _any(rng, LENGTHS[wish.new]))]
    word = "longer" if wish.tone == "more" else "shorter"
    return [("is", word), ("is", word), ("is", f"{word} in length"), ("has", f"a {word} hem")]


def _graphic(wish: Wish, rng: Generator) -> list[Fragment]:
    if wish.tone == "any":
        return [("has", "a graphic"), ("has", "a graphic on the front"), ("has", "a logo on the chest")]
    if wish.new == "none":
        return [("lacks", _any(rng, GRAPHICS[wish.old])), ("lacks", _any(rng, ("graphic", "logo")))]
    new = _any(rng, GRAPHICS[wish.new])
    named = _article(f"{_colour_word(wish.second, rng)} {new}" if wish.second else new)
    if wish.old != "none":
        return [("has", named), ("has", f"{named} instead of a {_any(rng, GRAPHICS[wish.old])}")]
    return [("has", named), ("has", f"{named} on the front"), ("has", f"{named} on the chest")]


def _detail(wish: Wish, rng: Generator) -> list[Fragment]:
    if wish.new == "none":
        return [("lacks", wish.old)]
    new = _any(rng, DETAILS[wish.new])
    if wish.old == "none":
        return [("has", new)]
    return [("has", new), ("has", f"{new} instead of {DETAILS[wish.old][0]}")]


_FRAGMENTS = {
    "colour": _colour, "pattern": _pattern, "second_colour": _second_colour, "sleeves": _sleeves,
    "neckline": _neckline, "length": _length, "graphic": _graphic, "detail": _detail,
}  # fmt: skip


def _fragment(wish: Wish, rng: Generator) -> Fragment:
    options = _FRAGMENTS[wish.trait](wish, rng)
    return options[int(rng.integers(len(options)))]


def sentence(wishes: Sequence[Wish], rng: Generator) -> str:
    """One or two wishes in an annotator's words."""
    fragments = [_fragment(wish, rng) for wish in wishes]
    if len(fragments) == 1:
        kind, text = fragments[0]
        return _any(rng, ONE[kind]).format(text)
    (one, first), (two, second) = fragments
    return _any(rng, TWO[one, two]).format(first, second)


def _slip(text: str, rng: Generator) -> str:
    """A slip of the fingers in one longer word: two letters swapped, or one lost."""
    words = text.split(" ")
    long_words = [n for n, word in enumerate(words) if len(word) > 4]
    if not long_words:
        return text
    n = long_words[int(rng.integers(len(long_words)))]
    word, at = words[n], int(rng.integers(1, len(words[n]) - 2))
    swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    words[n] = swapped if rng.random() < 0.5 else word[:at] + word[at + 1 :]
    return " ".join(words)


def _typed(text: str, rng: Generator) -> str:
    if rng.random() < TYPO_SHARE:
        text = _slip(text, rng)
    if rng.random() < 0.06:
        text = text[0].upper() + text[1:]
    return text + "." if rng.random() < 0.05 else text


def _loosened(wish: Wish, category: str) -> Wish:
    """The same wish said less exactly: longer sleeves for long ones."""
    ordered = wish.trait in ("sleeves", "length") and wish.tone == "value"
    if not ordered or "sleeveless" in (wish.old, wish.new):
        return wish
    values = values_of(wish.trait, category)
    return replace(wish, tone="more" if values.index(wish.new) > values.index(wish.old) else "less")


def _neighboured(wish: Wish) -> Wish | None:
    """The wish with its colour mistaken for a neighbour; None where it names none, or gives the old one."""
    if (
        wish.trait in ("colour", "second_colour")
        and wish.tone == "value"
        and NEIGHBOURS[wish.new] != wish.old
    ):
        return replace(wish, new=NEIGHBOURS[wish.new])
    if wish.second:
        return replace(wish, second=NEIGHBOURS[wish.second])
    return None


def _contradicted(wish: Wish, category: str, rng: Generator) -> Wish:
    """A wish for the opposite, or for a value that the true wish does not accept."""
    if wish.tone in ("more", "less"):
        return replace(wish, tone="less" if wish.tone == "more" else "more")
    values = [v for v in values_of(wish.trait, category) if v not in wish.accepted]
    others = [v for v in values if v != wish.old and v != NEIGHBOURS.get(wish.new)]
    new = _any(rng, others or [wish.old])
    old = wish.new if new == wish.old else wish.old
    return replace(wish, old=old, new=new, tone="value", second=None)


def _noisy(wishes: Sequence[Wish], category: str, rng: Generator) -> tuple[str, Noise]:
    """A caption that misleads: vague, about a neighbouring colour, or contradicting."""
    mistaken = [(n, wrong) for n, wish in enumerate(wishes) if (wrong := _neighboured(wish))]
    kinds: tuple[Noise, ...] = ("vague", "contradicting", "wrong_neighbour", "wrong_neighbour")
    kind = kinds[int(rng.integers(4 if mistaken else 2))]
    if kind == "vague":
        return _any(rng, VAGUE), kind
    told = list(wishes)
    n = int(rng.integers(len(told)))
    if kind == "wrong_neighbour":
        n, told[n] = mistaken[0]
    else:
        told[n] = _contradicted(told[n], category, rng)
    return sentence(told, rng), kind


def write_captions(
    wishes: Sequence[Wish], category: str, noise_share: float, rng: Generator
) -> tuple[list[str], list[Noise]]:
    """Two annotators' captions for one query, each misleading with probability `noise_share`.

    Returns the captions and their kinds. Where neither misleads, the two together say every wish exactly: one
    is complete, the other may leave one of two wishes out or put it loosely.
    """
    complete = list(wishes)
    other = [_loosened(wish, category) if rng.random() < LOOSE_SHARE else wish for wish in wishes]
    if len(other) == 2:
        other = [other[int(rng.integers(2))]] if rng.random() < OMISSION_SHARE else other[::-1]
    captions, kinds = [], []
    for told in (complete, other) if rng.random() < 0.5 else (other, complete):
        noisy = rng.random() < noise_share
        text, kind = _noisy(told, category, rng) if noisy else (sentence(told, rng), "clean")
        captions.append(_typed(text, rng))
        kinds.append(kind)
    return captions, kinds


def title(garment: Attributes, rng: Generator) -> str:
    """A product title that names the garment's attributes, each seller in his own words and order."""
    wording = rng.spawn(1)[0]  # a stream of its own: what else is drawn does not depend on the words
    sleeves = _any(wording, (*SLEEVES_HAS.get(garment.sleeves, ()), *SLEEVES_IS[garment.sleeves]))
    extras = [sleeves, _any(wording, NECKLINES[garment.neckline]), _any(wording, LENGTHS[garment.length])]
    extras = [extras[n] for n in rng.permutation(3)]
    if garment.graphic != "none":
        picture = f"{_colour_word(garment.second_colour, wording)} {_any(wording, GRAPHICS[garment.graphic])}"
        extras.append(f"{picture} on the {_any(wording, ('front', 'chest'))}")
    if garment.detail != "none":
        extras.append(_any(wording, DETAILS[garment.detail]))
    both = garment.pattern != "solid" and rng.random() < 0.7
    head = f"{_look(garment, both, wording)} {_any(rng, TITLE_NOUNS[garment.category])}"
    return head + _any(rng, (" with ", ", ")) + ", ".join(extras)


def _look(garment: Attributes, both: bool, wording: Generator) -> str:
    """Pattern and its colour, or `both` colours; that a garment is plain is said of some only."""
    colour = _colour_word(garment.colour, wording)
    if garment.pattern == "solid":
        return f"{_any(wording, TITLE_PLAIN)} {colour}" if wording.random() < 0.4 else colour
    second = f" and {_colour_word(garment.second_colour, wording)}" if both else ""
    return f"{colour}{second} {_any(wording, PATTERN_IS[garment.pattern])}"
