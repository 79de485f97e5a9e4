"""Grows families of similar garments, and the queries between their members.

A family starts from one garment; each further member changes one or two traits of an earlier one. A gallery
of families holds hard distractors: the same garment in other colours, the same colour with other sleeves.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, product
from typing import Literal

from numpy.random import Generator

from dwc.raw.drawn.traits import (
    COLOURS,
    PATTERNS,
    SLEEVES,
    Attributes,
    darker_than,
    lighter_than,
    values_of,
    wearable,
)

FAMILY_SIZE = 20
SECOND_PHOTOGRAPH_SHARE = 0.06  # members that are an earlier garment photographed again
SINGLE_CHANGE_SHARE = 0.6  # of the queries; the others change two traits
# How often a trait is proposed for a change, relative to the others.
TRAITS = {
    "colour": 3.0,
    "pattern": 2.0,
    "second_colour": 1.0,
    "sleeves": 2.0,
    "neckline": 1.6,
    "length": 1.6,
    "graphic": 4.0,  # most are refused: they do not go with patterns, pockets, buttons and collars
    "detail": 1.4,
}
_FASHIONABLE_SECONDS = {"white": 5.0, "black": 3.0, "navy": 2.0, "beige": 2.0}

Tone = Literal["value", "more", "less", "any"]
Accepted = dict[str, tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class Wish:
    """One intended change of a trait, from `old` to `new`.

    `tone` "value" asks for `new` itself, "more" and "less" for longer or shorter, lighter or darker, and
    "any" for some of it. `second` is the colour named along with a new pattern or graphic, if one is.
    """

    trait: str
    old: str
    new: str
    accepted: tuple[str, ...]
    tone: Tone = "value"
    second: str | None = None


def _pick(rng: Generator, values: Sequence[str], weights: Sequence[float] | None = None) -> str:
    if weights is None:
        return values[int(rng.integers(len(values)))]
    total = sum(weights)
    return values[int(rng.choice(len(values), p=[weight / total for weight in weights]))]


def _pick_second(rng: Generator) -> str:
    names = list(COLOURS)
    return _pick(rng, names, [_FASHIONABLE_SECONDS.get(name, 1.0) for name in names])


def sample_garment(category: str, rng: Generator) -> Attributes:
    """A random wearable garment."""
    while True:
        pattern = "solid" if rng.random() < 0.42 else _pick(rng, PATTERNS[1:])
        plain_chest = pattern == "solid" and rng.random() < 0.9
        graphic = _pick(rng, values_of("graphic", category)) if plain_chest else "none"
        garment = Attributes(
            category=category,
            colour=_pick(rng, tuple(COLOURS)),
            pattern=pattern,
            second_colour="none" if pattern == "solid" and graphic == "none" else _pick_second(rng),
            sleeves=_pick(rng, SLEEVES),
            neckline=_pick(rng, values_of("neckline", category)),
            length=_pick(rng, values_of("length", category)),
            graphic=graphic,
            detail=_pick(rng, values_of("detail", category)),
        )
        if wearable(garment):
            return garment


def _change(garment: Attributes, trait: str, rng: Generator) -> Attributes:
    old = getattr(garment, trait)
    choices = [value for value in values_of(trait, garment.category) if value != old]
    if trait == "pattern" and old != "solid" and rng.random() < 0.25:
        choices = ["solid"]
    changed = garment._replace(**{trait: _pick(rng, choices)})
    printed = changed.pattern != "solid" or changed.graphic != "none"
    if not printed:
        return changed._replace(second_colour="none")
    return changed if changed.second_colour != "none" else changed._replace(second_colour=_pick_second(rng))


def _relative(garment: Attributes, rng: Generator) -> Attributes:
    """A wearable garment that differs from `garment` in one or two traits."""
    open_traits = [t for t in TRAITS if len(values_of(t, garment.category)) > 1]
    while True:
        relative = garment
        for _ in range(1 if rng.random() < SINGLE_CHANGE_SHARE else 2):
            traits = [t for t in open_traits if t != "second_colour" or relative.second_colour != "none"]
            relative = _change(relative, _pick(rng, traits, [TRAITS[t] for t in traits]), rng)
        if wearable(relative) and 1 <= len(changed_traits(garment, relative)) <= 2:
            return relative


def grow_families(category: str, count: int, rng: Generator) -> list[list[Attributes]]:
    """`count` garments in families of about `FAMILY_SIZE`; equal ones are photographs of the same garment."""
    number = max(1, round(count / FAMILY_SIZE))
    sizes = [count // number + (n < count % number) for n in range(number)]
    families = []
    for size in sizes:
        family = [sample_garment(category, rng)]
        while len(family) < size:
            again = len(family) >= 8 and rng.random() < SECOND_PHOTOGRAPH_SHARE
            earlier = family[int(rng.integers(len(family)))]
            family.append(earlier if again else _relative(earlier, rng))
        families.append(family)
    return families


def changed_traits(reference: Attributes, target: Attributes) -> tuple[str, ...]:
    """What a person would say has changed; a colour that comes or goes with its print is not told apart."""
    changed = [trait for trait in TRAITS if getattr(reference, trait) != getattr(target, trait)]
    if "second_colour" in changed and "none" in (reference.second_colour, target.second_colour):
        changed.remove("second_colour")
    return tuple(changed)


def _partners(families: Sequence[Sequence[Attributes]]) -> Iterator[tuple[int, list[int], list[int]]]:
    """For each garment (as target, numbered through all families) its references one and two traits away."""
    first = 0
    for family in families:
        for n, target in enumerate(family):
            counts = [len(changed_traits(reference, target)) for reference in family]
            singles, doubles = ([first + m for m, c in enumerate(counts) if c == near] for near in (1, 2))
            yield first + n, singles, doubles
        first += len(family)


def choose_pairs(
    families: Sequence[Sequence[Attributes]], wanted: int, rng: Generator
) -> list[tuple[int, int]]:
    """Up to `wanted` distinct (reference, target) pairs one or two traits apart, spread over all targets."""
    open_pairs: dict[int, tuple[list[int], list[int]]] = {}
    for target, singles, doubles in _partners(families):
        open_pairs[target] = (rng.permutation(singles).tolist(), rng.permutation(doubles).tolist())
    pairs: list[tuple[int, int]] = []
    left = sum(len(singles) + len(doubles) for singles, doubles in open_pairs.values())
    for target in cycle(rng.permutation(len(open_pairs)).tolist()):
        if len(pairs) == wanted or not left:
            break
        singles, doubles = open_pairs[target]
        source = singles if singles and (not doubles or rng.random() < SINGLE_CHANGE_SHARE) else doubles
        if source:
            pairs.append((int(source.pop()), target))
            left -= 1
    return pairs


def _colour_wish(old: str, new: str, rng: Generator) -> Wish:
    if rng.random() < 0.2:
        if new in darker_than(old):
            return Wish(trait="colour", old=old, new=new, accepted=darker_than(old), tone="less")
        if new in lighter_than(old):
            return Wish(trait="colour", old=old, new=new, accepted=lighter_than(old), tone="more")
    return Wish(trait="colour", old=old, new=new, accepted=(new,))


def _ordered_wish(trait: str, old: str, new: str, values: Sequence[str], rng: Generator) -> Wish:
    """Of sleeves and lengths: often only longer or shorter is wanted. Shorter sleeves are still sleeves."""
    comparative = rng.random() < (0.4 if trait == "sleeves" else 0.7)
    if not comparative or (trait == "sleeves" and new == "sleeveless"):
        return Wish(trait=trait, old=old, new=new, accepted=(new,))
    if values.index(new) < values.index(old):
        shorter = tuple(v for v in values[: values.index(old)] if v != "sleeveless")
        return Wish(trait=trait, old=old, new=new, accepted=shorter, tone="less")
    tone: Tone = "any" if old == "sleeveless" else "more"
    return Wish(trait=trait, old=old, new=new, accepted=tuple(values[values.index(old) + 1 :]), tone=tone)


def _print_wish(trait: str, reference: Attributes, target: Attributes, rng: Generator) -> Wish:
    """Of patterns and graphics: perhaps any of them will do, perhaps its colour is named too."""
    old, new = getattr(reference, trait), getattr(target, trait)
    nothing = "solid" if trait == "pattern" else "none"
    if old == nothing and rng.random() < 0.12:
        some = tuple(value for value in values_of(trait, target.category) if value != nothing)
        return Wish(trait=trait, old=old, new=new, accepted=some, tone="any")
    named = reference.second_colour == "none" and rng.random() < 0.5
    second = target.second_colour if named else None
    return Wish(trait=trait, old=old, new=new, accepted=(new,), second=second)


def intend(reference: Attributes, target: Attributes, rng: Generator) -> tuple[Wish, ...]:
    """The wishes that lead from `reference` to `target`, one for each changed trait, in random order."""
    wishes = []
    for trait in changed_traits(reference, target):
        old, new = getattr(reference, trait), getattr(target, trait)
        if trait == "colour":
            wishes.append(_colour_wish(old, new, rng))
        elif trait in ("sleeves", "length"):
            wishes.append(_ordered_wish(trait, old, new, values_of(trait, target.category), rng))
        elif trait in ("pattern", "graphic"):
            wishes.append(_print_wish(trait, reference, target, rng))
        else:
            wishes.append(Wish(trait=trait, old=old, new=new, accepted=(new,)))
    return tuple(wishes[n] for n in rng.permutation(len(wishes)))


def accepted_values(reference: Attributes, target: Attributes, wishes: Sequence[Wish]) -> Accepted:
    """For every trait that may differ from the reference, the values that satisfy the query."""
    accepted = {wish.trait: wish.accepted for wish in wishes}
    if reference.second_colour == target.second_colour or "second_colour" in accepted:
        return accepted
    named = [wish.second for wish in wishes if wish.second]
    if target.second_colour == "none":
        accepted["second_colour"] = ("none",)
    else:
        accepted["second_colour"] = tuple(named) if named else tuple(COLOURS)
    return accepted


def satisfying(
    reference: Attributes, accepted: Accepted, gallery: Mapping[Attributes, Sequence[str]]
) -> list[str]:
    """The gallery's images, by the garment they show, that equal the reference but for accepted values."""
    choices = [accepted.get(trait, (value,)) for trait, value in reference._asdict().items()]
    return sorted(image for values in product(*choices) for image in gallery.get(Attributes(*values), ()))
