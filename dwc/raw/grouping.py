"""Dividing triplets into training and evaluation so that no image is in both.

Triplets that share an image belong to one group, and so do those that a chain of others connects; a group is
never divided. Which groups are set aside depends on their images' names alone, so that it stays the same
when others are added.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def set_aside(pairs: Sequence[tuple[str, str]], share: float, where: str) -> list[bool]:
    """For each (reference, target) whether it is for evaluation; about `share` of them are.

    Raises ValueError where the images hang together so that either part would be empty; `where` names the
    file.
    """
    group = _groups(pairs)
    members: dict[str, int] = {}
    for reference, _ in pairs:
        members[group[reference]] = members.get(group[reference], 0) + 1
    chosen: set[str] = set()
    wanted, taken = share * len(pairs), 0
    for name in sorted(members, key=_digest):
        if taken < wanted and taken + members[name] <= max(1.0, 1.5 * wanted):
            chosen.add(name)
            taken += members[name]
    if wanted and (not chosen or len(chosen) == len(members)):
        raise ValueError(
            f"{where}: no split is given, and none can be made: triplets connect {max(members.values()):,} "
            f"of the {len(pairs):,} with each other, so training would see images of the evaluation. Add a "
            "column `split` with train and val, and let no image be in both."
        )
    return [group[reference] in chosen for reference, _ in pairs]


def _groups(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Image -> the first name, in order, of its group."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        parent.setdefault(name, name)
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for reference, target in pairs:
        first, second = sorted((root(reference), root(target)))
        parent[second] = first
    return {name: root(name) for name in list(parent)}


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
