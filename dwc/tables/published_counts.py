"""How many of everything the published data sets hold, counted in their annotation files or told by papers.

A data set of one of these names is compared with them: a wrong or partial download, or another version of a
list, is recognised before anything is learnt from it. A subset is legal, so a difference is a warning.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

from dwc.schema import gallery_name
from dwc.tables.build import Tables
from dwc.tables.rules import Rule, false

Versions = Mapping[int, str]
"""Published count -> the version of the data that has it, empty where there is but one."""


class Count(NamedTuple):
    """Something counted: what was found, what is published, and which version that is, None = none."""

    what: str
    found: int
    published: Versions

    @property
    def version(self) -> str | None:
        """Return the version that the count belongs to."""
        return self.published.get(self.found)


def _fashioniq() -> dict[str, Versions]:
    per_category = {
        "train triplets": {"dress": 5985, "shirt": 5988, "toptee": 6027},
        "val triplets": {"dress": 2017, "shirt": 2038, "toptee": 1961},
        "test triplets": {"dress": 2024, "shirt": 2038, "toptee": 2056},
        "train images": {"dress": 11452, "shirt": 19036, "toptee": 16121},
        "val images": {"dress": 3817, "shirt": 6346, "toptee": 5373},
        "test images": {"dress": 3818, "shirt": 6346, "toptee": 5374},
        "val references and targets": {"dress": 2628, "shirt": 3089, "toptee": 2902},
    }
    return {
        f"{category}.{what}": {count: ""}
        for what, counts in per_category.items()
        for category, count in counts.items()
    }


_LONG, _SHORT = "the evaluation list of 4,658 names", "the evaluation list of 4,621 names"

PUBLISHED: dict[str, dict[str, Versions]] = {
    "fashioniq": _fashioniq(),
    "shoes": {
        "shoes.train triplets": {8990: ""},
        "shoes.train images": {10000: ""},
        "shoes.val images": {4658: _LONG, 4621: _SHORT},
        "shoes.val triplets": {1761: _LONG, 1732: _SHORT},
    },
    "fashion200k": {
        "fashion200k.train images": {172049: ""},
        "fashion200k.train labels": {53099: ""},
        "fashion200k.test triplets": {33480: ""},
    },
    "css": {"css.train records": {6004: ""}, "css.test records": {6019: ""}},
}
WHOLE = {"fashioniq": 74381}
"""Different images of all categories and splits together."""


def compare_counts(tables: Tables, dataset: str) -> list[Count]:
    """Every published count of the data set, for the categories and splits that the tables hold."""
    found = _counted(tables)
    counts = [
        Count(what, found[what], versions)
        for what, versions in PUBLISHED.get(dataset, {}).items()
        if what in found
    ]
    lists = {what for what in PUBLISHED.get(dataset, {}) if what.endswith(" images")}
    if dataset in WHOLE and lists <= found.keys():
        counts.append(Count("different images", len(tables.images), {WHOLE[dataset]: ""}))
    return counts


def recognised(counts: list[Count], dataset: str) -> str | None:
    """Say in a sentence which published data these are; None where no count is known or all differ."""
    versions = [count.version for count in counts if count.version is not None]
    if not versions:
        return None
    named = " and ".join(dict.fromkeys(version for version in versions if version))
    looks = f" This looks like {named}." if named else ""
    return f"{len(versions)} of {len(counts)} published counts of {dataset} are found here.{looks}"


def count_evidence(counts: list[Count], dataset: str) -> pd.DataFrame:
    """One row per count, for the checks."""
    rows = [
        (dataset, count.what, count.found, _listed(count.published), count.version is None)
        for count in counts
    ]
    evidence = pd.DataFrame(rows, columns=["file", "what", "found", "published", "differs"])
    return evidence.assign(record=None)


def published_count_rules() -> list[Rule]:
    """Return what every count that was published of the data set must satisfy."""
    return [
        Rule(
            name="counts_as_published",
            severity="warning",
            title="There is as much of everything as was published",
            message="{what}: {found:,} here, {published} published",
            remedy="See whether files are missing or of another version; results of a part stand alone.",
            condition=false("differs"),
        )
    ]


def _listed(published: Versions) -> str:
    return " or ".join(f"{count:,}" for count in published)


def _counted(tables: Tables) -> dict[str, int]:
    """Everything that can be counted by category and split, under `<category>.<split> <what>`."""
    found: dict[str, int] = {}
    for (category, split), part in tables.triplets.groupby(["category", "split"]):
        name = gallery_name(str(category), str(split))
        ends = pd.concat([part["reference_id"], part["target_id"]]).dropna()
        found |= {
            f"{name} triplets": len(part),
            f"{name} records": part["record"].nunique(),
            f"{name} references and targets": ends.nunique(),
        }
    listed = tables.images[["galleries", "label"]].explode("galleries")
    for gallery, members in listed.groupby("galleries"):
        found |= {f"{gallery} images": len(members), f"{gallery} labels": members["label"].nunique()}
    return found
