"""Scenes of the CSS benchmark: objects of a colour, shape and size in the cells of a three by three grid.

A modification adds, removes or changes one object. Some pairs of colour and shape are kept for training, some
for the test, so that the test asks for objects that were never seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from numpy.random import Generator
from PIL import Image, ImageDraw

COLOURS = {
    "gray": (90, 90, 90),
    "red": (222, 44, 44),
    "blue": (50, 80, 210),
    "green": (40, 180, 50),
    "brown": (130, 80, 35),
    "purple": (135, 50, 180),
    "cyan": (45, 195, 205),
    "yellow": (245, 225, 60),
}
SHAPES = ("rectangle", "circle", "triangle")
SIZES = {"small": 0.07, "large": 0.13}  # half the width, of the picture's side
CELLS = (
    "top-left", "top-center", "top-right",
    "middle-left", "center", "middle-right",
    "bottom-left", "bottom-center", "bottom-right",
)  # fmt: skip
PAPER = (205, 205, 205)
OVERSAMPLING = 4
WANDER = 0.02  # largest way of an object from the middle of its cell, of the picture's side


class Thing(NamedTuple):
    """One object."""

    colour: str
    shape: str
    size: str


Scene = Mapping[int, Thing]
"""Cell, from 0 in reading order -> the object in it."""


class Modification(NamedTuple):
    """What happens in one cell: before, after (None = nothing there), and how it is said."""

    cell: int
    before: Thing | None
    after: Thing | None

    def text(self) -> str:
        """Return the sentence, such as `add red large circle to top-left`."""
        cell, before, after = CELLS[self.cell], self.before, self.after
        if before is None or after is None:
            if after is not None:
                return f"add {after.colour} {after.size} {after.shape} to {cell}"
            assert before is not None
            return f"remove {before.colour} {before.shape} from {cell}"
        what = after.size if before.size != after.size else after.colour
        return f"make {cell} {before.shape} {what}"


def things_of(split: str) -> list[tuple[str, str]]:
    """Colours and shapes that occur in a split: one third are in both, one third in each alone."""
    kept = {"train": (0, 2), "test": (1, 2)}[split]
    return [
        (colour, shape)
        for hue, colour in enumerate(COLOURS)
        for form, shape in enumerate(SHAPES)
        if (hue + form) % 3 in kept
    ]


def draw_thing(allowed: list[tuple[str, str]], random: Generator) -> Thing:
    """Choose one object by chance."""
    colour, shape = allowed[int(random.integers(len(allowed)))]
    return Thing(colour, shape, tuple(SIZES)[int(random.integers(len(SIZES)))])


def draw_scene(allowed: list[tuple[str, str]], random: Generator) -> Scene:
    """Choose two to five objects and their cells by chance."""
    cells = random.permutation(len(CELLS))[: int(random.integers(2, 6))]
    return {int(cell): draw_thing(allowed, random) for cell in cells}


def draw_modification(allowed: list[tuple[str, str]], random: Generator) -> Modification:
    """Choose a modification by chance: as many additions as removals, and as many changes."""
    cell, thing = int(random.integers(len(CELLS))), draw_thing(allowed, random)
    kind = int(random.integers(4))
    if kind == 0:
        return Modification(cell, None, thing)
    if kind == 1:
        return Modification(cell, thing, None)
    if kind == 2:
        return Modification(cell, thing, thing._replace(size="small" if thing.size == "large" else "large"))
    colours = [colour for colour, shape in allowed if shape == thing.shape and colour != thing.colour]
    return Modification(cell, thing, thing._replace(colour=colours[int(random.integers(len(colours)))]))


def with_thing(scene: Scene, cell: int, thing: Thing | None) -> Scene:
    """The scene with this, or nothing, in a cell."""
    others = {place: other for place, other in scene.items() if place != cell}
    return others if thing is None else {**others, cell: thing}


def draw_picture(scene: Scene, side: int, random: Generator) -> Image.Image:
    """Draw the scene, `side` pixels wide and high; objects lie a little off the middle of their cells."""
    wide = side * OVERSAMPLING
    picture = Image.new("RGB", (wide, wide), PAPER)
    pen = ImageDraw.Draw(picture)
    for cell, thing in sorted(scene.items()):
        x, y = ((place % 3 + 0.5) / 3 + random.uniform(-WANDER, WANDER) for place in (cell, cell // 3))
        _paint(pen, thing, x * wide, y * wide, SIZES[thing.size] * wide)
    return picture.resize((side, side), Image.Resampling.BOX)


def _paint(pen: ImageDraw.ImageDraw, thing: Thing, x: float, y: float, half: float) -> None:
    box = (x - half, y - half, x + half, y + half)
    colour = COLOURS[thing.colour]
    if thing.shape == "circle":
        pen.ellipse(box, fill=colour)
    elif thing.shape == "rectangle":
        pen.rectangle(box, fill=colour)
    else:
        pen.polygon([(x, y - half), (x + half, y + half), (x - half, y + half)], fill=colour)


def told(scene: Scene) -> str:
    """Return the scene in words, such as `small red circle at top-left, large blue rectangle at center`."""
    parts = (
        f"{thing.size} {thing.colour} {thing.shape} at {CELLS[cell]}" for cell, thing in sorted(scene.items())
    )
    return ", ".join(parts) or "nothing"


def described(scene: Scene) -> Iterator[dict[str, object]]:
    """The scene's objects as the published file lists them; `pos` is x and y, of the picture's side."""
    for cell, thing in sorted(scene.items()):
        pos = [round((place % 3 + 0.5) / 3, 4) for place in (cell, cell // 3)]
        yield {"pos": pos, "color": thing.colour, "shape": thing.shape, "size": thing.size}
