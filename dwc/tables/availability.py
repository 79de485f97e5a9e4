"""Which images cannot be used, why, and what the policy says becomes of them."""

from __future__ import annotations

from typing import Literal

import pandas as pd

MissingImages = Literal["fail", "drop", "drop_from_training_only"]


def unusable(images: pd.DataFrame, max_megapixels: float) -> pd.Series:
    """For each image why it cannot be used, in words that go on after its name, or null."""
    megapixels = images["width"] * images["height"] / 1e6
    reason = images["problem"].astype(object).where(images["problem"].notna(), None)
    reason = reason.mask(megapixels > max_megapixels, f"has more than {max_megapixels:g} megapixels")
    return reason.mask(images["path"].isna(), "has no file")


def serves_evaluation(galleries: list[str]) -> bool:
    """Whether any of the lists is an evaluation list: of validation or test."""
    return any(not gallery.endswith(".train") for gallery in galleries)


def droppable(images: pd.DataFrame, policy: MissingImages) -> pd.Series:
    """Whether the policy lets an image be left out, if it cannot be used."""
    if policy == "drop_from_training_only":
        return ~images["galleries"].map(serves_evaluation).astype(bool)
    return pd.Series(policy == "drop", index=images.index)
