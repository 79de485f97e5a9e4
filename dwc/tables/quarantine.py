"""Triplets that are left out of the tables, each with its reason; nothing is dropped without being named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from dwc.tables.build import Tables

SELF_PAIR = "reference and target are the same image"
NO_TEXT = "all captions are blank"


def quarantined_triplets(triplets: pd.DataFrame) -> pd.DataFrame:
    """Return the rows to leave out, with a column `reason`.

    A triplet whose reference is its target teaches nothing, and as a query has no answer once the reference
    is masked. One without any text teaches nothing either; as a query it stays, since the number of queries
    is part of the published protocol.
    """
    same = triplets["reference_id"] == triplets["target_id"]
    blank = triplets["captions"].map(lambda captions: not any(caption.strip() for caption in captions))
    reason = np.select([same, blank.astype(bool) & (triplets["split"] == "train")], [SELF_PAIR, NO_TEXT], "")
    chosen: pd.DataFrame = triplets.assign(reason=reason)[reason != ""]
    return chosen.reset_index(drop=True)


def without(tables: Tables, quarantined: pd.DataFrame) -> Tables:
    """Return the tables without the quarantined triplets, and without what the side files say of them."""
    dropped = set(quarantined["triplet_id"])
    return replace(
        tables,
        triplets=tables.triplets[~tables.triplets["triplet_id"].isin(dropped)].reset_index(drop=True),
        relevant={name: ids for name, ids in tables.relevant.items() if name not in dropped},
        noise={name: kinds for name, kinds in tables.noise.items() if name not in dropped},
    )
