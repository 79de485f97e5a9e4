"""What a modification text asks to change, by the words in it: works on any English text about garments.

A text can ask for several kinds of change at once, and counts for each. The words are those of shops and
annotators; a kind is found by a word's beginning (`sleeve` finds sleeves and sleeved) or, marked by a full
stop, by the whole word.
"""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pandas as pd
from jaxtyping import Float

from dwc.evaluation.systems import text_rows
from dwc.store.dataset import Store

OTHER = "other words"
FEWEST = 5  # queries of a kind; fewer make no distribution

_WORDS = {
    "colour": (
        "colour color black. white. red. blue green yellow orange purple violet pink brown. grey. gray. "
        "beige tan. navy turquoise teal. burgundy maroon gold silver. ivory. cream. dark bright lighter. "
        "light. multicolo coral. lavender olive. khaki mustard. magenta peach. rust. wine."
    ),
    "pattern": (
        "pattern unpatterned plain. solid stripe stripy checked. checks. checkered squares. plaid tartan "
        "dotted dots. dot. polka spotted spots. floral flower zigzag argyle diamond paisley leopard zebra"
    ),
    "print or logo": (
        "print. prints. printed. graphic logo slogan lettering text. writing words. letters. heart. star. "
        "stars. bolt. flash. picture image."
    ),
    "sleeves": "sleeve strap shoulder",
    "neckline": "neck neckline collar v-neck crew. scoop halter hood turtleneck",
    "length": "length longer. shorter. long. short. maxi mini. midi knee ankle hem. floor crop tunic",
    "fit": "fit. fitted fitting. tight loose slim flowy flowing flared baggy",
    "cloth": "lace. lacy silk satin cotton. denim leather knit sheer. see-through shiny. velvet sequin mesh",
    "details": "belt button ruffle pocket zip bow. bows. pleat slit. fringe tie. ties. sash embroider",
}

_SLEEVE_LENGTH = re.compile(r"\b(?:long|short|longer|shorter|full length|quarter length)[- ]sleeve\w*")


def kinds_of(text: str) -> tuple[str, ...]:
    """The kinds of change that a text mentions, in a fixed order; `other words` where it mentions none."""
    text = text.casefold()
    # The length of sleeves says nothing of the garment's own.
    told = {"length": _SLEEVE_LENGTH.sub("sleeve", text)}
    found = [kind for kind, pattern in _patterns().items() if pattern.search(told.get(kind, text))]
    return tuple(found) or (OTHER,)


def all_kinds() -> tuple[str, ...]:
    """Every kind, in the order in which they are shown."""
    return (*_WORDS, OTHER)


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    return {kind: re.compile(_alternatives(words.split())) for kind, words in _WORDS.items()}


def _alternatives(words: list[str]) -> str:
    parts = [re.escape(word[:-1]) + r"\b" if word.endswith(".") else re.escape(word) for word in words]
    return r"\b(?:" + "|".join(parts) + ")"


def weights_by_kind(
    rankings: pd.DataFrame, store: Store, column: str
) -> dict[str, Float[np.ndarray, " queries"]]:
    """Values of a column of the rankings for each kind of change that enough queries ask for.

    rankings: one system's rows.
    """
    triplets = store.triplets.set_index("triplet_id").loc[rankings["triplet_id"]]
    asked = [kinds_of(store.texts[row]) for row in text_rows(triplets)]
    values = rankings[column].to_numpy(np.float64)
    found = {}
    for kind in all_kinds():
        chosen = values[[kind in kinds for kinds in asked]]
        if len(chosen) >= FEWEST:
            found[kind] = chosen
    return found
