"""The words that people and shops have for the values of attributes, and the sentences they put them in."""

from typing import Literal

# A fragment's kind says which words may stand before it: "is red", "has long sleeves", "has no belt".
Kind = Literal["is", "has", "lacks"]

COLOUR_WORDS = {
    "grey": ("grey", "gray"),
    "burgundy": ("burgundy", "burgundy", "maroon", "wine red"),
    "navy": ("navy", "navy blue", "dark blue"),
    "beige": ("beige", "beige", "tan"),
    "turquoise": ("turquoise", "turquoise", "teal"),
}
PATTERN_IS = {
    "solid": ("plain", "solid", "a solid colour", "a solid color", "unpatterned"),
    "striped": ("striped", "striped", "stripy"),
    "checked": ("checked", "checkered", "plaid"),
    "dotted": ("polka dot", "dotted", "spotted"),
    "floral": ("floral", "floral", "flowery"),
    "zigzag": ("zigzag", "zigzag patterned"),
    "diamonds": ("argyle", "diamond patterned"),
}
PATTERN_NOUNS = {
    "striped": ("stripes",),
    "checked": ("checks", "squares"),
    "dotted": ("dots", "polka dots", "spots"),
    "floral": ("flowers", "flowers"),
    "zigzag": ("zigzags", "zigzag lines"),
    "diamonds": ("diamonds",),
}
SLEEVES_HAS = {
    "short": ("short sleeves", "short sleeves", "little sleeves"),
    "three-quarter": ("three quarter sleeves", "3/4 sleeves", "three quarter length sleeves"),
    "long": ("long sleeves", "full length sleeves"),
}
SLEEVES_IS = {
    "sleeveless": ("sleeveless", "sleeveless", "without sleeves"),
    "short": ("short sleeved",),
    "three-quarter": ("three quarter sleeved",),
    "long": ("long sleeved", "long sleeve"),
}
NECKLINES = {
    "crew": ("a round neck", "a crew neck", "a high round neckline"),
    "v-neck": ("a v neck", "a v-neck", "a v neckline"),
    "scoop": ("a scoop neck", "a low round neckline", "a scooped neck"),
    "square": ("a square neck", "a square neckline"),
    "boat": ("a boat neck", "a wide straight neckline", "a boat neckline"),
    "collar": ("a collar", "a shirt collar", "a collar"),
}
LENGTHS = {
    "mini": ("mini", "mini length", "above the knee"),
    "knee": ("knee length", "knee length", "midi"),
    "maxi": ("maxi", "floor length", "full length"),
    "cropped": ("cropped", "a crop top"),
    "regular": ("regular length", "normal length"),
    "long": ("tunic length", "extra long"),
}
GRAPHICS = {
    "heart": ("heart", "heart"),
    "star": ("star", "star"),
    "lettering": ("slogan", "text print"),
    "flash": ("lightning bolt", "flash"),
}
DETAILS = {
    "belt": ("a belt", "a belt around the waist"),
    "buttons": ("buttons", "buttons down the front"),
    "ruffle": ("a ruffle", "a ruffled hem", "ruffles at the hem"),
    "pocket": ("a pocket", "a chest pocket"),
}
VAGUE = (
    "different style", "is more stylish", "a nicer one", "is a bit different", "more casual", "looks better",
    "has a different look", "similar but not the same", "more modern", "is more my taste", "less boring",
    "a different design", "is prettier", "more like what i had in mind",
)  # fmt: skip
ONE: dict[Kind, tuple[str, ...]] = {
    "is": (
        "is {}",
        "is {}",
        "{}",
        "it's {}",
        "make it {}",
        "the same but {}",
        "should be {}",
        "i want it {}",
    ),
    "has": ("has {}", "has {}", "with {}", "{}", "the same but with {}", "give it {}", "it should have {}"),
    "lacks": ("has no {}", "without the {}", "no {}", "remove the {}", "the same but without the {}"),
}
TWO: dict[tuple[Kind, Kind], tuple[str, ...]] = {
    ("is", "is"): ("is {} and {}", "{} and {}", "make it {} and {}", "the same but {} and {}"),
    ("is", "has"): ("is {} and has {}", "is {} with {}", "{} with {}", "make it {} with {}", "{}, {}"),
    ("is", "lacks"): ("is {} and has no {}", "{} without the {}", "is {}, no {}"),
    ("has", "is"): ("has {} and is {}", "has {}, {}", "with {} and {}"),
    ("has", "has"): ("has {} and {}", "with {} and {}", "{} and {}", "give it {} and {}"),
    ("has", "lacks"): ("has {} and no {}", "with {} but without the {}", "{} but no {}"),
    ("lacks", "is"): ("has no {} and is {}", "without the {} and {}", "no {}, {}"),
    ("lacks", "has"): ("has no {} but {}", "no {} but with {}", "remove the {}, add {}"),
    ("lacks", "lacks"): ("has no {} and no {}", "without the {} and the {}", "remove the {} and the {}"),
}


TITLE_NOUNS = {"dress": ("dress",), "shirt": ("shirt",), "toptee": ("top", "tee")}
TITLE_PLAIN = ("plain", "solid", "unpatterned")
