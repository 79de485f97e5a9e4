"""Drawing on cloth: a pen in the garment's own coordinates, woven and printed patterns, printed graphics."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.random import Generator
from PIL import Image, ImageDraw

Points = Float[np.ndarray, "points 2"]
Colour = tuple[int, int, int]
Ink = Colour | int  # a colour on RGB layers, a level on grey ones


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """`one` with `share` of `other` in it."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


@dataclass(frozen=True, kw_only=True)
class Frame:
    """Where a piece of cloth lies: local unit -> pixels by scale, rotation (radians) and origin (pixels)."""

    scale: float
    angle: float
    origin: tuple[float, float]

    def place(self, points: Points) -> Points:
        """Local coordinates (x right, y down, unit: half a shoulder width) as pixels."""
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        rotation = np.array([[cosine, sine], [-sine, cosine]])
        placed: Points = points @ rotation * self.scale + np.array(self.origin)
        return placed

    def turned(self, angle: float, origin: tuple[float, float], size: float = 1.0) -> "Frame":
        """A frame within this one: its origin at a point of this one, turned by `angle`, scaled."""
        x, y = self.place(np.array([origin]))[0]
        return Frame(scale=self.scale * size, angle=self.angle + angle, origin=(float(x), float(y)))


class Pen:
    """Draws on one layer in a frame's coordinates, so that nothing need be rotated as an image."""

    def __init__(self, layer: Image.Image, frame: Frame) -> None:
        self.canvas = ImageDraw.Draw(layer)
        self.frame = frame

    def area(self, points: Points, ink: Ink) -> None:
        """Fills a polygon."""
        self.canvas.polygon(self.frame.place(points).ravel().tolist(), fill=ink)

    def line(self, points: Points, ink: Ink, width: float) -> None:
        """Draws a polyline; `width` in local units."""
        pixels = max(1, round(width * self.frame.scale))
        self.canvas.line(self.frame.place(points).ravel().tolist(), fill=ink, width=pixels, joint="curve")

    def dots(self, centres: Points, radius: float, ink: Ink) -> None:
        """Fills a circle of `radius` local units about each centre."""
        r = radius * self.frame.scale
        for x, y in self.frame.place(centres).tolist():
            self.canvas.ellipse((x - r, y - r, x + r, y + r), fill=ink)


@dataclass(frozen=True, kw_only=True)
class Region:
    """The box of local coordinates that a pattern has to cover."""

    left: float
    right: float
    top: float
    bottom: float

    def steps(self, period: float, phase: float, *, rows: bool) -> list[float]:
        """Positions `period` apart across the box's height (rows) or width."""
        low, high = (self.top, self.bottom) if rows else (self.left, self.right)
        first = np.floor(low / period) * period - phase * period
        return [float(step) for step in np.arange(first, high + period, period)]

    def grid(self, period: float, phase: float) -> Points:
        """A staggered grid of points, every other row moved by half a period."""
        rows = self.steps(period, phase, rows=True)
        columns = np.array(self.steps(period, phase, rows=False))
        x = columns[None, :] + (np.arange(len(rows)) % 2)[:, None] * period / 2
        return np.stack([x, np.broadcast_to(np.array(rows)[:, None], x.shape)], axis=-1).reshape(-1, 2)


def _box(left: float, top: float, right: float, bottom: float) -> Points:
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def _striped(pen: Pen, region: Region, base: Colour, second: Colour, rng: Generator) -> None:
    for y in region.steps(0.46, rng.random(), rows=True):
        pen.area(_box(region.left, y, region.right, y + 0.18), second)


def _checked(pen: Pen, region: Region, base: Colour, second: Colour, rng: Generator) -> None:
    period, phase, band = 0.56, rng.random(), 0.23
    half = mix(base, second, 0.5)
    rows = region.steps(period, phase, rows=True)
    columns = region.steps(period, phase, rows=False)
    for y in rows:
        pen.area(_box(region.left, y, region.right, y + band), half)
    for x in columns:
        pen.area(_box(x, region.top, x + band, region.bottom), half)
    for x in columns:
        for y in rows:
            pen.area(_box(x, y, x + band, y + band), second)


def _dotted(pen: Pen, region: Region, base: Colour, second: Colour, rng: Generator) -> None:
    pen.dots(region.grid(0.46, rng.random()), 0.125, second)


def _floral(pen: Pen, region: Region, base: Colour, second: Colour, rng: Generator) -> None:
    centres = region.grid(0.66, rng.random())
    centres = centres + rng.uniform(-0.09, 0.09, centres.shape)
    turns = rng.uniform(0, 2 * np.pi, (len(centres), 1)) + np.arange(5) * 2 * np.pi / 5
    petals = centres[:, None] + 0.135 * np.stack([np.cos(turns), np.sin(turns)], axis=-1)
    leaves = centres + rng.choice([-0.3, 0.3], centres.shape) * np.array([1.0, 0.55])
    pen.dots(leaves, 0.06, mix(base, (70, 140, 70), 0.6))
    pen.dots(petals.reshape(-1, 2), 0.112, second)
    pen.dots(centres, 0.075, mix(base, (250, 200, 60), 0.55))


def _zigzag(pen: Pen, region: Region, base: Colour, second: Colour, rng: Generator) -> None:
    xs = np.arange(region.left - 0.6, region.right + 0.6, 0.3)
    teeth = np.where(np.arange(len(xs)) % 2 == 0, 0.0, 0.3)
    for y in region.steps(0.52, rng.random(), rows=True):
        pen.line(np.column_stack([xs, y + teeth]), second, 0.165)


def _diamonds(pen: Pen, region: Region, base: Colour, second: Colour, rng: Generator) -> None:
    diamond = np.array([(0.0, -0.31), (0.2, 0.0), (0.0, 0.31), (-0.2, 0.0)])
    thread, phase = mix(base, second, 0.45), rng.random()
    for y in region.steps(0.72, phase, rows=True):
        for x in region.steps(0.48, phase, rows=False):
            pen.area(np.array([x, y]) + diamond, second)
            pen.area(np.array([x + 0.24, y + 0.36]) + diamond * 0.42, thread)


_PAINTERS: dict[str, Callable[[Pen, Region, Colour, Colour, Generator], None]] = {
    "striped": _striped,
    "checked": _checked,
    "dotted": _dotted,
    "floral": _floral,
    "zigzag": _zigzag,
    "diamonds": _diamonds,
}


def paint_pattern(
    pattern: str, pen: Pen, region: Region, base: Colour, second: Colour, rng: Generator
) -> None:
    """Paints `pattern` in `second` over a layer that is `base` already; "solid" leaves it as it is."""
    if pattern != "solid":
        _PAINTERS[pattern](pen, region, base, second, rng)


def _heart() -> Points:
    t = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return 0.032 * np.column_stack([16 * np.sin(t) ** 3, -y])


_STAR_TURNS = np.arange(10) * np.pi / 5 - np.pi / 2
_STAR_RADII = np.where(np.arange(10) % 2 == 0, 0.58, 0.25)
_SHAPES: dict[str, Points] = {
    "heart": _heart(),
    "star": np.column_stack([np.cos(_STAR_TURNS), np.sin(_STAR_TURNS)]) * _STAR_RADII[:, None],
    "flash": np.array(
        [(0.16, -0.62), (-0.34, 0.1), (-0.04, 0.1), (-0.18, 0.66), (0.36, -0.12), (0.05, -0.12)]
    ),
}
# Letters as strokes in a unit box.
_LETTERS: dict[str, tuple[tuple[tuple[float, float], ...], ...]] = {
    "A": (((0, 1), (0.5, 0), (1, 1)), ((0.22, 0.62), (0.78, 0.62))),
    "E": (((1, 0), (0, 0), (0, 1), (1, 1)), ((0, 0.5), (0.8, 0.5))),
    "H": (((0, 0), (0, 1)), ((1, 0), (1, 1)), ((0, 0.5), (1, 0.5))),
    "I": (((0.5, 0), (0.5, 1)),),
    "L": (((0, 0), (0, 1), (1, 1)),),
    "N": (((0, 1), (0, 0), (1, 1), (1, 0)),),
    "O": (((0, 0), (1, 0), (1, 1), (0, 1), (0, 0)),),
    "V": (((0, 0), (0.5, 1), (1, 0)),),
    "Y": (((0, 0), (0.5, 0.5), (1, 0)), ((0.5, 0.5), (0.5, 1))),
}
_SLOGANS = (("OH", "YEAH"), ("LA", "VIE"), ("ONE", "LOVE"), ("HI", "LEON"), ("NEVA", "HILL"))


def _lettering(pen: Pen, ink: Colour, rng: Generator) -> None:
    slogan = _SLOGANS[rng.integers(len(_SLOGANS))]
    for row, word in enumerate(slogan):
        width, gap, height = 0.22, 0.11, 0.36
        left = -(len(word) * (width + gap) - gap) / 2
        for n, letter in enumerate(word):
            corner = np.array([left + n * (width + gap), -0.42 + row * 0.5])
            for stroke in _LETTERS[letter]:
                pen.line(corner + np.array(stroke) * np.array([width, height]), ink, 0.085)


def print_graphic(graphic: str, pen: Pen, ink: Colour, rng: Generator) -> None:
    """Prints a graphic about the pen's origin, a good unit wide."""
    if graphic == "lettering":
        _lettering(pen, ink, rng)
    else:
        pen.area(_SHAPES[graphic], ink)
