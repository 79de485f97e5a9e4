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


def completeness(gaps: Mapping[str, Gap], tasks: Sequence[SearchTask]) -> str:
    """Say it in one sentence, such as `The galleries lack 123 of 15,415 images.`"""
    total = Gap(
        queries=sum(gap.queries for gap in gaps.values()),
        images=sum(gap.images for gap in gaps.values()),
    )
    if total == Gap():
        return "No query or gallery image is missing."
    images = total.images + sum(len(task.gallery) for task in tasks)
    queries = total.queries + sum(len(task.triplets) for task in tasks)
    lacking = "The gallery lacks" if len(tasks) == 1 else "The galleries lack"
    verb = "is" if total.queries == 1 else "are"
    return (
        f"{lacking} {total.images:,} of {images:,} images, and {total.queries:,} of {queries:,} queries "
        f"{verb} left out."
    )


def _gap(task: SearchTask, left_out: pd.DataFrame, image_ids: np.ndarray, protocol: Protocol) -> Gap:
    own = left_out[left_out["category"] == task.category]
    if protocol.gallery == "original":
        return Gap(queries=len(own), images=task.missing)
    named = set(own["reference_id"]) | set(own["target_id"])
    return Gap(queries=len(own), images=len(named - set(image_ids[task.gallery])))
