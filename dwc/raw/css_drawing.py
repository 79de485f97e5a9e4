"""Drawing a data set of CSS scenes in the published layout, so that the benchmark runs without a download.

Everything derives from the seed; equal arguments give equal bytes with the same software.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator

from dwc.files import atomic_folder
from dwc.raw.css import DRAWN, SPLITS, image_id
from dwc.raw.drawn.scenes import (
    Modification,
    Scene,
    described,
    draw_modification,
    draw_picture,
    draw_scene,
    things_of,
    told,
    with_thing,
)

PAIRS = 3
"""Pairs of scenes for each modification."""
TWICE = 0.1
"""Share of the scenes that two pictures show; either is a right answer."""
FEWEST = 4


class _Plan:
    """The pictures and modifications of one split."""

    def __init__(self) -> None:
        self.scenes: list[Scene] = []
        self.labels: list[int] = []
        self.mods: list[dict[str, Any]] = []
        self._pictures: dict[tuple[Any, ...], list[int]] = {}

    def picture_of(self, scene: Scene, random: Generator) -> int:
        """Number of a picture of the scene, a new one where there is none."""
        key = tuple(sorted(scene.items()))
        if key not in self._pictures:
            label = len(self._pictures)
            copies = 2 if random.random() < TWICE else 1
            self._pictures[key] = [len(self.scenes) + copy for copy in range(copies)]
            self.scenes += [scene] * copies
            self.labels += [label] * copies
        numbers = self._pictures[key]
        return numbers[int(random.integers(len(numbers)))]

    def add(self, modification: Modification, backgrounds: list[Scene], random: Generator) -> None:
        """Apply a modification to some backgrounds."""
        cell, before, after = modification
        sources = [self.picture_of(with_thing(scene, cell, before), random) for scene in backgrounds]
        results = [self.picture_of(with_thing(scene, cell, after), random) for scene in backgrounds]
        self.mods.append({"from": sources, "to": results, "to_str": modification.text()})

    def content(self) -> dict[str, Any]:
        """Return the split's part of the data file."""
        objects = [list(described(scene)) for scene in self.scenes]
        titles = [told(scene) for scene in self.scenes]
        return {"objects_img": objects, "mods": self.mods, "labels": self.labels, "titles": titles}


def generate(
    root: Path,
    *,
    modifications: int = 600,
    seed: int = 7,
    side: int = 64,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Make the data set in `root`, which must be new or empty, and return how many pictures it has.

    `modifications` of the training split, a third as many of the test split, each for three pairs; `side` in
    pixels. Raises ValueError for a folder in use.
    """
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise ValueError(f"{root} exists and is not an empty folder; name another one, or remove it first.")
    if modifications < FEWEST:
        raise ValueError(f"CSS scenes need at least {FEWEST} modifications, not {modifications}.")
    counts = {"train": modifications, "test": max(FEWEST, modifications // 3)}
    plans = {
        split: _plan(split, counts[split], np.random.default_rng([seed, n])) for n, split in enumerate(SPLITS)
    }
    total = sum(len(plan.scenes) for plan in plans.values())
    done = 0
    with atomic_folder(root) as folder:
        (folder / "images").mkdir()
        content = json.dumps({split: plan.content() for split, plan in plans.items()})
        (folder / DRAWN).write_text(content + "\n", encoding="utf-8")
        for part, (split, plan) in enumerate(plans.items()):
            for number, scene in enumerate(plan.scenes):
                picture = draw_picture(scene, side, np.random.default_rng([seed, part, number]))
                picture.save(folder / "images" / f"{image_id(split, number)}.png")
                done += 1
                if progress:
                    progress(done, total)
    return total


def _plan(split: str, modifications: int, random: Generator) -> _Plan:
    """Few backgrounds for many modifications: scenes that differ by one object fill the gallery."""
    allowed = things_of(split)
    backgrounds = [draw_scene(allowed, random) for _ in range(max(PAIRS, modifications // 2))]
    plan = _Plan()
    for _ in range(modifications):
        picked = random.permutation(len(backgrounds))[:PAIRS]
        plan.add(draw_modification(allowed, random), [backgrounds[int(place)] for place in picked], random)
    return plan
