"""The outlines of a garment's pieces, from its attributes: what a tailor would call the paper pattern.

Unit: half a shoulder width; origin: between the shoulders; x to the right, y down the garment.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.random import Generator

from dwc.raw.drawn.cloth import Points
from dwc.raw.drawn.traits import Attributes

HEMS = {
    "dress": {"mini": 2.75, "knee": 3.75, "maxi": 5.1},
    "shirt": {"regular": 2.3, "long": 3.25},
    "toptee": {"cropped": 1.62, "regular": 2.2, "long": 3.1},
}
FLARES = {"mini": 1.12, "knee": 1.32, "maxi": 1.5}
SLEEVE_LENGTHS = {"short": 0.8, "three-quarter": 1.6, "long": 2.45}
SLEEVE_ENDS = {"short": 0.6, "three-quarter": 0.47, "long": 0.36}
SLEEVE_ANGLES = {"short": (32, 46), "three-quarter": (24, 33), "long": (18, 27)}  # degrees from the body
NECK_WIDTHS = {"crew": 0.37, "v-neck": 0.45, "scoop": 0.55, "square": 0.54, "boat": 0.68, "collar": 0.36}
NECK_DEPTHS = {"crew": 0.3, "v-neck": 0.95, "scoop": 0.85, "square": 0.68, "boat": 0.16, "collar": 0.34}
SHOULDER_SLOPE = 0.16


@dataclass(frozen=True, kw_only=True)
class Sleeve:
    """One sleeve's outline, the angle of its axis (radians from straight down) and its cuff's two ends."""

    outline: Points
    angle: float
    shoulder: tuple[float, float]
    cuff: Points


@dataclass(frozen=True, kw_only=True)
class Cut:
    """The pieces of one garment; `right_*` are the halves at positive x, from which seams are drawn."""

    front: Points
    back: Points
    neckline: Points
    right_side: Points
    right_armhole: Points
    hem: Points
    sleeves: tuple[Sleeve, ...]
    waist: float
    hem_y: float
    neck_depth: float

    def extent(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of all pieces together."""
        everything = np.concatenate([self.back, *(sleeve.outline for sleeve in self.sleeves)])
        (left, top), (right, bottom) = everything.min(axis=0), everything.max(axis=0)
        return float(left), float(top), float(right), float(bottom)


def curve(*controls: tuple[float, float], steps: int = 9) -> Points:
    """A Bezier curve through the first and last of three or four control points."""
    points = [np.array(control, dtype=float) for control in controls]
    t = np.linspace(0, 1, steps)[:, None]
    while len(points) > 1:
        points = [one * (1 - t) + other * t for one, other in pairwise(points)]
    return points[0]


def mirror(points: Points) -> Points:
    """The same points on the other side of the garment, in reverse order, so that halves join."""
    mirrored: Points = points[::-1] * np.array([-1.0, 1.0])
    return mirrored


def _half_neckline(kind: str) -> Points:
    """From the centre of the neckline out to where it meets the shoulder."""
    width, depth = NECK_WIDTHS[kind], NECK_DEPTHS[kind]
    if kind == "v-neck":
        return curve((0, depth), (width * 0.62, depth * 0.3), (width, 0))
    if kind == "square":
        return np.array([(0, depth), (width - 0.03, depth), (width, 0)])
    return curve((0, depth), (width * 0.75, depth), (width, depth * 0.62), (width, 0))


def _right_side(attributes: Attributes, hem_y: float, fit: float, rng: Generator) -> Points:
    """From the armpit down to the hem."""
    if attributes.category == "dress":
        flare = FLARES[attributes.length] * rng.uniform(0.92, 1.08)
        bodice = curve((0.86, 0.86), (0.76, 1.15), (0.68 * fit, 1.3), (0.67 * fit, 1.5))
        hips = (0.68 * fit + 0.2, 1.5 + 0.25 * (hem_y - 1.5))
        return np.concatenate(
            [bodice, curve((0.67 * fit, 1.5), hips, (flare * 0.94, hem_y - 0.5), (flare, hem_y))]
        )
    waist, hem = (0.88, 0.93) if attributes.category == "shirt" else (0.72, 0.96)
    if attributes.length == "cropped":
        waist = 0.8
    middle = (0.86 + hem_y) / 2
    return curve((0.88, 0.86), (waist * fit, middle), (waist * fit, middle + 0.2), (hem * fit, hem_y))


def _sleeve(kind: str, rng: Generator) -> Sleeve:
    """The right sleeve."""
    low, high = SLEEVE_ANGLES[kind]
    angle = float(np.radians(rng.uniform(low, high)))
    along, inward = np.array([np.sin(angle), np.cos(angle)]), np.array([-np.cos(angle), np.sin(angle)])
    shoulder, armpit = np.array([0.97, SHOULDER_SLOPE]), np.array([0.87, 0.92])
    outer_end = shoulder + along * SLEEVE_LENGTHS[kind] - inward * 0.05
    inner_end = outer_end + inward * SLEEVE_ENDS[kind]
    bulge = shoulder + along * SLEEVE_LENGTHS[kind] * 0.4 - inward * 0.13
    elbow = (armpit + inner_end) / 2 - inward * 0.06
    outer = curve((0.8, 0.12), (0.99, SHOULDER_SLOPE - 0.03), tuple(bulge), tuple(outer_end))
    inner = curve(tuple(inner_end), tuple(elbow), tuple(armpit))
    outline = np.concatenate([outer, inner, [(0.7, 0.8)]])
    return Sleeve(
        outline=outline, angle=-angle, shoulder=(0.97, SHOULDER_SLOPE), cuff=np.array([outer_end, inner_end])
    )


def _other(sleeve: Sleeve) -> Sleeve:
    x, y = sleeve.shoulder
    return Sleeve(
        outline=mirror(sleeve.outline),
        angle=-sleeve.angle,
        shoulder=(-x, y),
        cuff=sleeve.cuff * np.array([-1.0, 1.0]),
    )


def _half_hem(attributes: Attributes, corner: tuple[float, float]) -> Points:
    """From the hem's right corner to its centre; a shirt's is rounded, a ruffle's is wavy."""
    x, y = corner
    if attributes.detail == "ruffle":
        t = np.linspace(0, 1, 49)
        scallops = 0.09 * np.abs(np.sin(t * np.pi * 4))
        return np.column_stack([1.1 * x * (1 - t), y + 0.24 + 0.06 * t + scallops])
    sag = 0.2 if attributes.category == "shirt" and attributes.neckline == "collar" else 0.09
    return curve((x, y), (x * 0.7, y + sag), (0, y + sag))


def cut_garment(attributes: Attributes, rng: Generator) -> Cut:
    """Cuts the garment's pieces; fit, flare and the sleeves' angles vary as between shops."""
    fit = rng.uniform(0.95, 1.06)
    hem_y = HEMS[attributes.category][attributes.length] * rng.uniform(0.97, 1.03)
    neck = _half_neckline(attributes.neckline)
    if attributes.sleeves == "sleeveless":
        armhole = curve((0.86, SHOULDER_SLOPE * 0.8), (0.7, 0.4), (0.7, 0.84), (0.87, 0.86))
    else:
        armhole = curve((0.88, SHOULDER_SLOPE - 0.02), (0.8, 0.4), (0.8, 0.62), (0.87, 0.9))
    side = _right_side(attributes, hem_y, fit, rng)
    hem = _half_hem(attributes, (float(side[-1, 0]), hem_y))
    below = np.concatenate([armhole, side, hem])
    back_neck = curve((0, 0.07), (neck[-1, 0] * 0.7, 0.06), (neck[-1, 0], 0))
    halves = [np.concatenate([half, below]) for half in (neck, back_neck)]
    front, back = (np.concatenate([half, mirror(half)]) for half in halves)
    right = () if attributes.sleeves == "sleeveless" else (_sleeve(attributes.sleeves, rng),)
    return Cut(
        front=front,
        back=back,
        neckline=np.concatenate([mirror(neck), neck]),
        right_side=side,
        right_armhole=armhole,
        hem=np.concatenate([hem, mirror(hem)]),
        sleeves=tuple(piece for sleeve in right for piece in (sleeve, _other(sleeve))),
        waist=1.5 if attributes.category == "dress" else min(1.5, hem_y * 0.6),
        hem_y=hem_y,
        neck_depth=float(neck[0, 1]),
    )
