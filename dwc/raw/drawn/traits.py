"""The vocabulary of the demo catalogue: which attributes a garment has and which values each may take."""

from typing import NamedTuple

CATEGORIES = ("dress", "shirt", "toptee")

# Chosen far enough apart to stay distinguishable at 96 px under mild tints and gradients.
COLOURS: dict[str, tuple[int, int, int]] = {
    "black": (36, 36, 40),
    "grey": (139, 141, 145),
    "white": (243, 242, 238),
    "beige": (217, 192, 152),
    "brown": (116, 72, 41),
    "red": (209, 32, 40),
    "burgundy": (112, 18, 44),
    "pink": (243, 150, 184),
    "orange": (240, 124, 28),
    "yellow": (247, 208, 54),
    "green": (46, 138, 66),
    "turquoise": (58, 187, 184),
    "blue": (40, 102, 214),
    "navy": (27, 38, 92),
    "purple": (124, 62, 160),
}
NEIGHBOURS = {
    "black": "navy",
    "grey": "black",
    "white": "beige",
    "beige": "white",
    "brown": "burgundy",
    "red": "burgundy",
    "burgundy": "red",
    "pink": "purple",
    "orange": "red",
    "yellow": "orange",
    "green": "turquoise",
    "turquoise": "green",
    "blue": "navy",
    "navy": "blue",
    "purple": "pink",
}
PATTERNS = ("solid", "striped", "checked", "dotted", "floral", "zigzag", "diamonds")
SLEEVES = ("sleeveless", "short", "three-quarter", "long")  # ordered, shortest first
LENGTHS = {
    "dress": ("mini", "knee", "maxi"),
    "shirt": ("regular", "long"),
    "toptee": ("cropped", "regular", "long"),
}
NECKLINES = {
    "dress": ("crew", "v-neck", "scoop", "square", "boat", "collar"),
    "shirt": ("crew", "v-neck", "collar"),
    "toptee": ("crew", "v-neck", "scoop", "square", "boat", "collar"),
}
GRAPHICS = {
    "dress": ("none",),
    "shirt": ("none", "heart", "star", "lettering", "flash"),
    "toptee": ("none", "heart", "star", "lettering", "flash"),
}
DETAILS = {
    "dress": ("none", "belt", "buttons", "ruffle"),
    "shirt": ("none", "pocket", "buttons"),
    "toptee": ("none", "pocket", "buttons", "ruffle"),
}


class Attributes(NamedTuple):
    """Everything about a garment that retrieval may ask for; two photographs of one garment are equal in it.

    `second_colour` is the colour of the pattern or of the graphic, and "none" where there is neither.
    A garment has a pattern or a graphic, never both.
    """

    category: str
    colour: str
    pattern: str
    second_colour: str
    sleeves: str
    neckline: str
    length: str
    graphic: str
    detail: str


def values_of(attribute: str, category: str) -> tuple[str, ...]:
    """The values that `attribute` may take in `category`, in ascending order where they have an order."""
    tables = {"length": LENGTHS, "neckline": NECKLINES, "graphic": GRAPHICS, "detail": DETAILS}
    if attribute in tables:
        return tables[attribute][category]
    if attribute == "sleeves":
        return SLEEVES
    return PATTERNS if attribute == "pattern" else tuple(COLOURS)


def luminance(rgb: tuple[int, int, int]) -> float:
    """Perceived brightness, 0 (black) to 255 (white)."""
    return 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]


def darker_than(colour: str) -> tuple[str, ...]:
    """The colours that anybody would call darker than `colour`: at least 25 of 255 below its luminance."""
    limit = luminance(COLOURS[colour]) - 25
    return tuple(name for name, rgb in COLOURS.items() if luminance(rgb) <= limit)


def lighter_than(colour: str) -> tuple[str, ...]:
    """The colours that anybody would call lighter than `colour`: at least 25 of 255 above its luminance."""
    limit = luminance(COLOURS[colour]) + 25
    return tuple(name for name, rgb in COLOURS.items() if luminance(rgb) >= limit)


def contrasts(colour: str, other: str) -> bool:
    """Whether a pattern in `other` stays visible on `colour` at 96 px, and cannot be taken for its shade."""
    if other in (colour, NEIGHBOURS[colour]) or NEIGHBOURS[other] == colour:
        return False
    return abs(luminance(COLOURS[colour]) - luminance(COLOURS[other])) >= 52


def wearable(attributes: Attributes) -> bool:
    """Whether a garment with these attributes can be drawn with every one of them in plain sight."""
    printed = attributes.pattern != "solid" or attributes.graphic != "none"
    if (attributes.second_colour != "none") != printed:
        return False
    if printed and not contrasts(attributes.colour, attributes.second_colour):
        return False
    if attributes.graphic == "none":
        return True
    # A graphic needs room on a plain chest, and no pocket, buttons or collar in front of it.
    return (
        attributes.pattern == "solid"
        and attributes.neckline != "collar"
        and (attributes.length != "cropped" or attributes.neckline in ("crew", "boat"))
        and attributes.detail not in ("pocket", "buttons")
    )
