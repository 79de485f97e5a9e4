"""What a measurement lacks of the published protocol: queries and gallery images that were left out.

A smaller gallery is easier to search, so every result says how much of it was there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dwc.evaluation.protocols import Protocol, SearchTask


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Queries and gallery images of one category that the data set names and the measurement lacks."""

    queries: int = 0
    images: int = 0


def with_left_out(images: pd.DataFrame, left_out: pd.DataFrame) -> pd.DataFrame:
    """The images table together with the images left out of it: all that the data set lists."""
    if left_out.empty:
        return images
    return pd.concat([images, left_out[left_out.columns.intersection(images.columns)]], ignore_index=True)


def find_gaps(
    tasks: Sequence[SearchTask], left_out: pd.DataFrame | None, image_ids: Sequence[str], protocol: Protocol
) -> dict[str, Gap]:
    """Category -> what is missing.

    left_out: the triplets left out, of all splits (None = none); image_ids: the store's images, by row. Where
    the gallery is made of the queries' own images, it lacks those that only queries left out have.
    """
    if left_out is None:
        return {task.category: Gap(images=task.missing) for task in tasks}
    queries = left_out[(left_out["split"] == protocol.split) & left_out["target_id"].notna()]
    return {
        task.category: _gap(task, queries, np.asarray(image_ids, dtype=object), protocol) for task in tasks
    }


def totals(gaps: Mapping[str, Gap], tasks: Sequence[SearchTask]) -> dict[str, int]:
    """Queries and gallery images in all and those missing of them; a gallery that tasks share counts once."""
    galleries = {task.gallery.tobytes(): (len(task.gallery), gaps[task.category].images) for task in tasks}
    missing_queries = sum(gap.queries for gap in gaps.values())
    missing_images = sum(missing for _, missing in galleries.values())
    return {
        "queries": sum(len(task.triplets) for task in tasks) + missing_queries,
        "missing_queries": missing_queries,
        "gallery_images": sum(size for size, _ in galleries.values()) + missing_images,
        "missing_images": missing_images,
    }


def completeness(total: Mapping[str, int]) -> str:
    """Say `totals` in one sentence."""
    if not total["missing_queries"] and not total["missing_images"]:
        return "No query or gallery image is missing."
    verb = "is" if total["missing_queries"] == 1 else "are"
    return (
        f"The gallery lacks {total['missing_images']:,} of {total['gallery_images']:,} images, and "
        f"{total['missing_queries']:,} of {total['queries']:,} queries {verb} left out."
    )


def _gap(task: SearchTask, left_out: pd.DataFrame, image_ids: np.ndarray, protocol: Protocol) -> Gap:
    own = left_out[left_out["category"] == task.category]
    if protocol.gallery == "original":
        return Gap(queries=len(own), images=task.missing)
    named = set(own["reference_id"]) | set(own["target_id"])
    return Gap(queries=len(own), images=len(named - set(image_ids[task.gallery])))
