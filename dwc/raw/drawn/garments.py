"""Draws one garment as a shop's flat-lay photograph.

Pieces are drawn as flat shapes on oversampled layers (colour, outline, relief, seams); after averaging down,
relief and folds are lit, the garment casts its shadow on a surface, and a camera takes the picture.
"""

import numpy as np
from jaxtyping import Float32
from numpy.random import Generator
from PIL import Image, ImageChops, ImageFilter

from dwc.raw.drawn import backdrop
from dwc.raw.drawn.cloth import Frame, Pen, Points, Region, paint_pattern
from dwc.raw.drawn.layers import SEAM, STITCH, Dye, Layers, dye_cloth
from dwc.raw.drawn.tailoring import Cut, Sleeve, cut_garment
from dwc.raw.drawn.traits import Attributes, luminance
from dwc.raw.drawn.trimmings import add_trimmings

OVERSAMPLING = 3  # outlines are drawn this much larger, then averaged down

Plane = Float32[np.ndarray, "side side"]


def _place(cut: Cut, rng: Generator, pixels: int) -> Frame:
    """Lays the garment down: its longer side fills 84 to 95 % of the frame, somewhat off centre."""
    left, top, right, bottom = cut.extent()
    angle = float(np.clip(rng.normal(0, 0.055), -0.13, 0.13))
    cosine, sine = abs(np.cos(angle)), abs(np.sin(angle))
    width, height = right - left, bottom - top
    across, down = width * cosine + height * sine, width * sine + height * cosine
    scale = rng.uniform(0.84, 0.95) * pixels / max(across, down)
    slack = np.array([pixels - across * scale, pixels - down * scale]) / 2
    wander = np.clip(rng.uniform(-0.75, 0.75, 2) * slack, -0.12 * pixels, 0.12 * pixels)
    upright = Frame(scale=scale, angle=angle, origin=(0.0, 0.0))
    middle = upright.place(np.array([((left + right) / 2, (top + bottom) / 2)]))[0]
    x, y = pixels / 2 + wander - middle
    return Frame(scale=scale, angle=angle, origin=(float(x), float(y)))


def _lay(
    layers: Layers,
    piece: Points,
    frame: Frame,
    cloth: Frame,
    region: Region,
    look: tuple[str, Dye],
    rng: Generator,
) -> None:
    """Lays one piece of cloth onto the layers; the pattern runs along `cloth`'s axes."""
    pattern, dye = look
    texture = Image.new("RGB", layers.colours.size, dye.base)
    paint_pattern(pattern, Pen(texture, cloth), region, dye.base, dye.second, rng)
    shape = Image.new("L", layers.colours.size, 0)
    Pen(shape, frame).area(piece, 255)
    layers.colours.paste(texture, mask=shape)
    layers.outline.paste(255, mask=shape)
    layers.relief.paste(225, mask=shape)
    layers.seams.paste(0, mask=shape)


def _lay_sleeve(layers: Layers, sleeve: Sleeve, frame: Frame, look: tuple[str, Dye], rng: Generator) -> None:
    region = Region(left=-1.0, right=1.0, top=-0.5, bottom=2.7)
    cloth = frame.turned(sleeve.angle, sleeve.shoulder)
    _lay(layers, sleeve.outline, frame, cloth, region, look, rng)
    _, _, _, seams = layers.pens(frame)
    inset = np.array([-np.sin(-sleeve.angle), -np.cos(sleeve.angle)]) * 0.13
    seams.line(sleeve.cuff + inset, STITCH, 0.045)


def _lay_body(
    layers: Layers, cut: Cut, attributes: Attributes, frame: Frame, dye: Dye, rng: Generator
) -> None:
    colours, outline, relief, seams = layers.pens(frame)
    colours.area(cut.back, dye.shade)
    outline.area(cut.back, 255)
    relief.area(cut.back, 120)
    label = np.array([(-0.1, 0.1), (0.1, 0.1), (0.1, 0.2), (-0.1, 0.2)])
    colours.area(label, (236, 232, 222))
    region = Region(left=-1.75, right=1.75, top=-0.1, bottom=cut.hem_y + 0.6)
    _lay(layers, cut.front, frame, frame, region, (attributes.pattern, dye), rng)
    for armhole in (cut.right_armhole, cut.right_armhole * np.array([-1.0, 1.0])):
        relief.line(armhole, 110, 0.09)
        seams.line(armhole, SEAM if cut.sleeves else STITCH, 0.05)
    if attributes.detail != "ruffle":
        seams.line(cut.hem - np.array([0.0, 0.13]), STITCH, 0.04)
    band = cut.neckline * np.array([1.16, 1.0]) + np.array([0.0, 0.1])
    seams.line(cut.neckline, SEAM, 0.05)
    if attributes.neckline != "collar":
        seams.line(band, STITCH, 0.04)


def _folds(cut: Cut, attributes: Attributes, frame: Frame, rng: Generator, pixels: int) -> Image.Image:
    """Creases, as light and dark strokes about a middle grey, before they are softened."""
    layer = Image.new("L", (pixels, pixels), 128)
    pen = Pen(layer, frame)

    def crease(start: tuple[float, float], end: tuple[float, float], depth: float) -> None:
        bend = ((start[0] + end[0]) / 2 + rng.normal(0, 0.06), (start[1] + end[1]) / 2)
        path = np.array([start, bend, end])
        pen.line(path, int(128 - depth), 0.13)
        pen.line(path + np.array([0.12, -0.02]), int(128 + depth), 0.11)

    for sign in (-1.0, 1.0):
        for _ in range(3):  # from the armpits across the chest
            reach = rng.uniform(0.25, 0.7)
            crease(
                (sign * 0.8, rng.uniform(0.75, 1.0)),
                (sign * reach, 0.9 + rng.uniform(0.1, 0.7)),
                rng.uniform(35, 80),
            )
        for _ in range(2 if cut.sleeves else 0):
            t = rng.uniform(0.2, 0.75)
            axis = cut.sleeves[0].cuff.mean(axis=0) - np.array([0.92, 0.5])
            x, y = np.array([0.92, 0.5]) + axis * t
            crease((sign * (x - 0.22), y + 0.1), (sign * (x + 0.22), y - 0.12), rng.uniform(30, 70))
    half = float(cut.right_side[-1, 0])
    gathers = 7 if attributes.category == "dress" else 3
    for t in np.linspace(-0.85, 0.85, gathers) + rng.uniform(-0.08, 0.08, gathers):
        top = cut.waist + rng.uniform(0.02, 0.25)
        crease((t * 0.62, top), (t * half, cut.hem_y - rng.uniform(0.0, 0.3)), rng.uniform(30, 75))
    return layer


def _plane(layer: Image.Image, blur: float) -> Plane:
    """A grey layer at final size, 0 to 1, softened by a Gaussian of `blur` pixels."""
    softened = layer.filter(ImageFilter.GaussianBlur(blur)) if blur else layer
    return np.asarray(softened, dtype=np.float32) / np.float32(255)


def _lit(layers: Layers, folds: Image.Image, rng: Generator, side: int) -> backdrop.Picture:
    """The cloth's colours under light from the upper left: relief by its slope, folds, seams."""
    height = _plane(layers.relief, side * 0.012)
    slope_y, slope_x = np.gradient(height)
    relief = np.clip((slope_x * 0.6 + slope_y * 0.8) * side * 0.028, -0.3, 0.22)
    creases = (_plane(folds, side * 0.014) - np.float32(128 / 255)) * rng.uniform(0.5, 0.85)
    rolls = 0.03 * backdrop.smooth_noise(rng, side, 6, 6)
    shading = 1 + relief + creases + rolls
    colours = np.asarray(layers.colours, dtype=np.float32)
    brightness = colours.mean(axis=2)
    seams = _plane(layers.seams, 0)
    # Dark cloth cannot show a darker line: there, seams catch the light instead, and folds shine.
    seam_tone = np.where(brightness < 70, 46.0, -0.42 * brightness) * seams
    shine = np.clip(90 - brightness, 0, 70) * (shading - 1)
    lit: backdrop.Picture = (colours * shading[..., None] + (seam_tone + shine)[..., None]).astype(np.float32)
    return lit


def _photograph(
    outline: Image.Image, cloth: backdrop.Picture, brightness: float, rng: Generator, side: int
) -> Image.Image:
    """Puts the cloth on a surface with its shadow, lights both and takes the picture."""
    ground = backdrop.surface(rng, side, brightness)
    fall = (round(side * rng.uniform(0.008, 0.02)), round(side * rng.uniform(0.012, 0.028)))
    cast = _plane(ImageChops.offset(outline, *fall), side * rng.uniform(0.014, 0.03))
    contact = _plane(outline, side * 0.008)
    shadow = 1 - rng.uniform(0.28, 0.42) * cast - 0.18 * contact
    cover = _plane(outline, 0)[..., None]
    scene = ground * shadow[..., None] * (1 - cover) + cloth * cover
    photo = backdrop.sensor(rng, scene * backdrop.light(rng, side))
    picture = Image.fromarray(np.clip(photo, 0, 255).astype(np.uint8))
    blur = rng.uniform(-0.3, 0.45) * side / 96
    return picture.filter(ImageFilter.GaussianBlur(blur)) if blur > 0.1 else picture


def draw(attributes: Attributes, rng: Generator, side: int) -> Image.Image:
    """A photograph of a garment with these attributes, `side` x `side` pixels, RGB.

    Everything that is no attribute (fit, folds, position, surface, light, camera) comes from `rng`.
    """
    pixels = side * OVERSAMPLING
    cut, dye = cut_garment(attributes, rng), dye_cloth(attributes, rng)
    frame = _place(cut, rng, pixels)
    layers = Layers(
        colours=Image.new("RGB", (pixels, pixels), dye.base),
        outline=Image.new("L", (pixels, pixels), 0),
        relief=Image.new("L", (pixels, pixels), 0),
        seams=Image.new("L", (pixels, pixels), 0),
    )
    for sleeve in cut.sleeves:
        _lay_sleeve(layers, sleeve, frame, (attributes.pattern, dye), rng)
    _lay_body(layers, cut, attributes, frame, dye, rng)
    add_trimmings(layers, cut, attributes, frame, dye, rng)
    folds = _folds(cut, attributes, frame, rng, pixels)
    small = Layers(
        colours=layers.colours.reduce(OVERSAMPLING),
        outline=layers.outline.reduce(OVERSAMPLING),
        relief=layers.relief.reduce(OVERSAMPLING),
        seams=layers.seams.reduce(OVERSAMPLING),
    )
    cloth = _lit(small, folds.reduce(OVERSAMPLING), rng, side)
    return _photograph(small.outline, cloth, luminance(dye.base), rng, side)
