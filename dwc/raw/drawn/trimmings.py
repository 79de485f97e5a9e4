"""What is sewn or printed on a garment once its pieces lie there."""

import numpy as np
from numpy.random import Generator

from dwc.raw.drawn.cloth import Frame, Pen, mix, print_graphic
from dwc.raw.drawn.layers import SEAM, STITCH, Dye, Layers
from dwc.raw.drawn.tailoring import Cut
from dwc.raw.drawn.traits import Attributes


def _add_collar(layers: Layers, cut: Cut, frame: Frame, dye: Dye) -> None:
    colours, outline, relief, seams = layers.pens(frame)
    wing = np.array([(0.02, cut.neck_depth + 0.03), (0.29, -0.07), (0.42, -0.05), (0.57, 0.13), (0.45, 0.62)])
    stand = np.array([(-0.36, -0.1), (0.36, -0.1), (0.3, 0.06), (-0.3, 0.06)])
    face = mix(dye.base, (255, 255, 255), 0.12)
    colours.area(stand, face)
    outline.area(stand, 255)
    for piece in (wing, wing * np.array([-1.0, 1.0])):
        colours.area(piece, face)
        outline.area(piece, 255)
        relief.area(piece, 255)
        seams.line(np.concatenate([piece, piece[:1]]), 0, 0.05)
        seams.line(np.concatenate([piece, piece[:1]]), SEAM, 0.05)
    placket = np.array([(0.0, cut.neck_depth), (0.0, 1.05)])
    seams.line(placket, SEAM, 0.06)


def _add_buttons(layers: Layers, cut: Cut, frame: Frame, dye: Dye) -> None:
    colours, _, relief, seams = layers.pens(frame)
    top, bottom = cut.neck_depth + 0.06, cut.hem_y + 0.02
    for x in (-0.14, 0.14):
        seams.line(np.array([(x, top), (x, bottom)]), SEAM, 0.04)
    count = max(4, round((bottom - top) / 0.42))
    centres = np.column_stack([np.zeros(count), np.linspace(top + 0.12, bottom - 0.18, count)])
    seams.dots(centres, 0.13, 90)
    seams.dots(centres, 0.1, 0)
    colours.dots(centres, 0.1, dye.trim)
    relief.dots(centres, 0.1, 255)


def _add_pocket(layers: Layers, frame: Frame, dye: Dye) -> None:
    colours, _, relief, seams = layers.pens(frame)
    x, y = 0.42, 0.74
    pocket = np.array(
        [
            (x - 0.25, y),
            (x + 0.25, y),
            (x + 0.25, y + 0.42),
            (x, y + 0.56),
            (x - 0.25, y + 0.42),
            (x - 0.25, y),
        ]
    )
    colours.area(pocket, dye.shade)
    relief.area(pocket, 245)
    seams.line(pocket, SEAM, 0.05)
    seams.line(np.array([(x - 0.25, y + 0.12), (x + 0.25, y + 0.12)]), STITCH, 0.04)


def _add_belt(layers: Layers, cut: Cut, frame: Frame, dye: Dye) -> None:
    colours, outline, relief, seams = layers.pens(frame)
    half = float(np.interp(cut.waist, cut.right_side[:, 1], cut.right_side[:, 0])) + 0.04
    top, bottom = cut.waist - 0.13, cut.waist + 0.13
    belt = np.array([(-half, top), (half, top), (half, bottom), (-half, bottom)])
    colours.area(belt, dye.trim)
    outline.area(belt, 255)
    relief.area(belt, 255)
    seams.area(belt, 0)
    buckle = np.array(
        [(-0.17, top - 0.02), (0.17, top - 0.02), (0.17, bottom + 0.02), (-0.17, bottom + 0.02)]
    )
    colours.line(np.concatenate([buckle, buckle[:2]]), (214, 178, 92), 0.075)


def _add_ruffle(layers: Layers, cut: Cut, frame: Frame, rng: Generator) -> None:
    _, _, relief, seams = layers.pens(frame)
    half = float(cut.right_side[-1, 0])
    y = cut.hem_y - 0.12
    seams.line(np.array([(-half, y), (half, y)]), 255, 0.06)
    relief.line(np.array([(-half, y), (half, y)]), 90, 0.12)
    for x in np.linspace(-half, half, 13) + rng.uniform(-0.03, 0.03, 13):
        seams.line(np.array([(x * 0.98, y), (x * 1.08, y + 0.36)]), 120, 0.05)


def add_trimmings(
    layers: Layers, cut: Cut, attributes: Attributes, frame: Frame, dye: Dye, rng: Generator
) -> None:
    """Draws what lies on the cloth already laid: graphic, pocket, buttons, collar, belt or ruffle."""
    if attributes.graphic != "none":
        room = cut.hem_y - cut.neck_depth
        spot = (0.0, min(1.08 + 0.35 * max(0.0, cut.neck_depth - 0.3), cut.neck_depth + 0.48 * room))
        chest = frame.turned(0.0, spot, size=min(1.0, room / 1.3))
        print_graphic(attributes.graphic, Pen(layers.colours, chest), dye.second, rng)
    if attributes.detail == "pocket":
        _add_pocket(layers, frame, dye)
    if attributes.detail == "buttons":
        _add_buttons(layers, cut, frame, dye)
    if attributes.neckline == "collar":
        _add_collar(layers, cut, frame, dye)
    if attributes.detail == "belt":
        _add_belt(layers, cut, frame, dye)
    if attributes.detail == "ruffle":
        _add_ruffle(layers, cut, frame, rng)
