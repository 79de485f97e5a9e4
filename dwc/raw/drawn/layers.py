"""The layers on which a garment is drawn, and the colours it is drawn in."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from PIL import Image

from dwc.raw.drawn.cloth import Colour, Frame, Pen, mix
from dwc.raw.drawn.traits import COLOURS, Attributes, luminance

SEAM, STITCH = 200, 110  # strength of drawn lines, of 255


@dataclass(frozen=True, kw_only=True)
class Layers:
    """The oversampled drawing: cloth colours, outline, relief (higher is nearer), seams (more is darker)."""

    colours: Image.Image
    outline: Image.Image
    relief: Image.Image
    seams: Image.Image

    def pens(self, frame: Frame) -> tuple[Pen, Pen, Pen, Pen]:
        """One pen for each layer, in the order of the fields."""
        return (
            Pen(self.colours, frame),
            Pen(self.outline, frame),
            Pen(self.relief, frame),
            Pen(self.seams, frame),
        )


@dataclass(frozen=True, kw_only=True)
class Dye:
    """The colours as this garment was dyed: a little off the catalogue's, as between shops."""

    base: Colour
    second: Colour
    shade: Colour  # for the inside, the collar's edge and pockets: darker, or lighter on dark cloth
    trim: Colour  # for belts and buttons: whatever stands out


def dye_cloth(attributes: Attributes, rng: Generator) -> Dye:
    """Dyes a garment's cloth, each colour up to a few levels off the catalogue's."""

    def vary(name: str) -> Colour:
        red, green, blue = np.clip(np.array(COLOURS[name]) + rng.normal(0, 4, 3), 8, 250).astype(int).tolist()
        return red, green, blue

    base = vary(attributes.colour)
    second = base if attributes.second_colour == "none" else vary(attributes.second_colour)
    dark = luminance(base) < 75
    shade = mix(base, (235, 235, 240), 0.24) if dark else mix(base, (20, 16, 24), 0.34)
    trim = (232, 214, 178) if luminance(base) < 125 else (62, 40, 30)
    return Dye(base=base, second=second, shade=shade, trim=trim)
