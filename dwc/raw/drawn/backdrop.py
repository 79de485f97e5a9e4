"""What lies around a garment in a flat-lay photograph: the surface beneath it, the light and the camera.

None of it carries meaning: retrieval has to learn to ignore it.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float32
from numpy.random import Generator
from PIL import Image

Picture = Float32[np.ndarray, "side side 3"]
Plane = Float32[np.ndarray, "side side"]

PAPERS = (
    (240, 238, 233),
    (226, 227, 229),
    (242, 222, 220),
    (214, 226, 235),
    (214, 224, 208),
    (235, 222, 198),
)
LINENS = ((226, 218, 203), (206, 203, 197), (186, 192, 198), (236, 232, 224))
WOODS = ((206, 172, 130), (178, 138, 98), (224, 208, 186), (160, 152, 143))


def smooth_noise(rng: Generator, side: int, rows: int, columns: int) -> Plane:
    """Noise of about unit amplitude whose grains are side/rows high and side/columns wide."""
    coarse = Image.fromarray(rng.normal(size=(rows, columns)).astype(np.float32))
    return np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC), dtype=np.float32)


def _paper(rng: Generator, side: int) -> Picture:
    tone = np.array(PAPERS[rng.integers(len(PAPERS))], dtype=np.float32)
    return tone + 2.0 * smooth_noise(rng, side, 5, 5)[..., None]


def _linen(rng: Generator, side: int) -> Picture:
    tone = np.array(LINENS[rng.integers(len(LINENS))], dtype=np.float32)
    weave = smooth_noise(rng, side, 48, 7) + smooth_noise(rng, side, 7, 48)
    cloth: Picture = tone + (2.6 * weave + 3.0 * smooth_noise(rng, side, 3, 3))[..., None]
    return cloth


def _wood(rng: Generator, side: int) -> Picture:
    tone = np.array(WOODS[rng.integers(len(WOODS))], dtype=np.float32)
    planks = int(rng.integers(3, 6))
    position = (np.arange(side, dtype=np.float32) / side) * planks + rng.random()
    plank = np.floor(position).astype(int)
    shade = rng.normal(0, 7, planks + 2).astype(np.float32)[plank]
    gap = np.exp(-(((position - np.round(position)) * side / planks) ** 2) / 0.9).astype(np.float32) * -42
    grain = 4.5 * smooth_noise(rng, side, 34, 3) + 2.5 * smooth_noise(rng, side, 12, 2)
    surface = tone + (grain + (shade + gap)[:, None])[..., None] * np.array([1.0, 0.95, 0.85], np.float32)
    return np.ascontiguousarray(surface.transpose(1, 0, 2)) if rng.random() < 0.6 else surface


SURFACES: tuple[Callable[[Generator, int], Picture], ...] = (_paper, _linen, _wood)


def surface(rng: Generator, side: int, garment_luminance: float) -> Picture:
    """Paper, linen or wood, drawn again (a few times) while it is as bright as the garment on it."""
    picture = SURFACES[rng.choice(3, p=(0.4, 0.25, 0.35))](rng, side)
    for _ in range(4):
        if abs(float(picture.mean()) - garment_luminance) >= 24:
            break
        picture = SURFACES[rng.integers(3)](rng, side)
    return picture


def light(rng: Generator, side: int) -> Picture:
    """Factors of a lamp to one side with a mild warm or cold tint, and of the lens' darker corners."""
    axis = np.linspace(-1, 1, side, dtype=np.float32)
    x, y = axis[None, :], axis[:, None]
    direction, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0.01, 0.09)
    lamp = 1 + strength * (np.cos(direction) * x + np.sin(direction) * y)
    corners = rng.uniform(0.01, 0.045) * (x**2 + y**2)
    warmth = rng.normal(0, 0.02)
    tint = np.array([1 + warmth, 1.0, 1 - warmth], dtype=np.float32) * rng.uniform(0.94, 1.04)
    factors: Picture = ((lamp - corners)[..., None] * tint).astype(np.float32)
    return factors


def sensor(rng: Generator, picture: Picture) -> Picture:
    """Adds the camera's noise, mostly in luminance, as a cheap camera's processing leaves it."""
    height, width, _ = picture.shape
    noise = rng.normal(0, rng.uniform(0.2, 1.2), (height, width, 1))
    return (picture + noise).astype(np.float32)
