"""The tables as the checks need them: one flat row per thing checked, with what can be derived about it.

A column such as `unlisted` is null where all is well, and otherwise says what is wrong in words. Ids and
lists are compared here, with pandas, so that the expectations in `checks` are simple ones about columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from dwc.schema import gallery_name
from dwc.tables.build import Tables


def image_evidence(images: pd.DataFrame) -> pd.DataFrame:
    """One row per image. Sizes are null where the file could not be read; `file` is where to look."""
    width, height = images["width"].where(images["width"] > 0), images["height"].where(images["height"] > 0)
    listed = images["galleries"].map(lambda galleries: f"image list {galleries[0]}")
    return pd.DataFrame(
        {
            "file": images["path"].fillna(listed),
            "record": None,
            "image_id": images["image_id"],
            "path": images["path"],
            "problem": images["problem"],
            "width": images["width"],
            "height": images["height"],
            "short_side": np.minimum(width, height),
            "megapixels": width * height / 1e6,
            "listed_twice": [_listed_twice(galleries) for galleries in images["galleries"]],
            "overlap": [_overlap(galleries, same_category=True) for galleries in images["galleries"]],
            "leak": [_overlap(galleries, same_category=False) for galleries in images["galleries"]],
            "twin": _twins(images),
        }
    )


def triplet_evidence(tables: Tables) -> pd.DataFrame:
    """One row per triplet, with what is known of its ids and captions."""
    triplets = tables.triplets
    blanks = triplets["captions"].map(lambda captions: sum(not caption.strip() for caption in captions))
    counts = triplets["captions"].map(len)
    columns = ["triplet_id", "category", "split", "reference_id", "target_id"]
    return pd.DataFrame(
        {
            "file": triplets["source"],
            "record": triplets["record"],
            **{column: triplets[column] for column in columns},
            "text": triplets["captions"].map(_quoted),
            "target_missing": triplets["target_id"].isna() & triplets["split"].isin(["train", "val"]),
            "self_pair": triplets["reference_id"] == triplets["target_id"],
            "caption_count": counts,
            "partly_blank": (blanks > 0) & (blanks < counts),
            "wholly_blank": (blanks == counts) & (counts > 0),
            "fewest_words": triplets["captions"].map(fewest_words),
            **_memberships(tables),
        }
    )


def side_file_evidence(tables: Tables) -> pd.DataFrame:
    """One row per entry of relevant.json and noise.json; `problem` says what is wrong with it."""
    galleries = dict(zip(tables.triplets["triplet_id"], _own_galleries(tables.triplets), strict=True))
    captions = dict(zip(tables.triplets["triplet_id"], tables.triplets["captions"].map(len), strict=True))
    members = _members(tables.images)
    rows: list[tuple[str, str, str | None]] = []
    for name, ids in tables.relevant.items():
        outside = [image for image in ids if (image, galleries.get(name)) not in members]
        wrong = f"image {outside[0]} is not in the gallery that is searched" if outside else None
        rows.append(("relevant.json", name, wrong if name in galleries else "there is no such triplet"))
    for name, kinds in tables.noise.items():
        expected = captions.get(name)
        wrong = None if len(kinds) == expected else f"{len(kinds)} kinds of noise for {expected} captions"
        rows.append(("noise.json", name, wrong if name in captions else "there is no such triplet"))
    return pd.DataFrame(rows, columns=["file", "triplet_id", "problem"]).assign(record=None)


def fewest_words(captions: Sequence[str]) -> float:
    """Words of the shortest caption that is not blank; nan where all are."""
    return float(min((len(caption.split()) for caption in captions if caption.strip()), default=np.nan))


def _quoted(captions: Sequence[str]) -> str:
    return " and ".join(f"“{caption.strip()}”" for caption in captions)


def _memberships(tables: Tables) -> dict[str, list[str | None]]:
    """Which ends of each triplet are in no list, have no file, or lie outside the triplet's own list."""
    images, triplets = tables.images, tables.triplets
    listed = set(images["image_id"])
    filed = set(images["image_id"][images["path"].notna()])
    members = _members(images)
    found: dict[str, list[str | None]] = {
        "unlisted": [],
        "without_file": [],
        "outside": [],
        "outside_train": [],
    }
    pairs = zip(triplets["reference_id"], triplets["target_id"], strict=True)
    lists = zip(triplets["split"], _own_galleries(triplets), strict=True)
    for (reference, target), (split, gallery) in zip(pairs, lists, strict=True):
        roles = {"reference": reference, "target": target}
        known = {role: image for role, image in roles.items() if image in listed}
        strangers = {role: image for role, image in known.items() if (image, gallery) not in members}
        unlisted = {role: image for role, image in roles.items() if role not in known and not pd.isna(image)}
        found["unlisted"].append(_named(unlisted))
        found["without_file"].append(
            _named({role: image for role, image in known.items() if image not in filed})
        )
        found["outside"].append(_named(strangers if split != "train" else {}))
        found["outside_train"].append(_named(strangers if split == "train" else {}))
    return found


def _named(ends: dict[str, Any]) -> str | None:
    verb = "is" if len(ends) == 1 else "are"
    return f"{' and '.join(f'{role} {image}' for role, image in ends.items())} {verb}" if ends else None


def _members(images: pd.DataFrame) -> set[tuple[str, str | None]]:
    pairs = zip(images["image_id"], images["galleries"], strict=True)
    return {(image, gallery) for image, galleries in pairs for gallery in galleries}


def _own_galleries(triplets: pd.DataFrame) -> Iterable[str]:
    return map(gallery_name, triplets["category"], triplets["split"])


def _listed_twice(galleries: list[str]) -> str | None:
    twice = [gallery for gallery in dict.fromkeys(galleries) if galleries.count(gallery) > 1]
    return twice[0] if twice else None


def _overlap(galleries: list[str], *, same_category: bool) -> str | None:
    """Name two lists that should not share an image.

    Those are two splits of one category, and the training list of one with an evaluation list of another.
    """
    if len(galleries) == 1:
        return None
    parts = [gallery.rsplit(".", 1) for gallery in dict.fromkeys(galleries)]
    for one_category, one_split in parts:
        for other_category, other_split in parts:
            if same_category and one_category == other_category and one_split < other_split:
                return f"{one_category}.{one_split} and {other_category}.{other_split}"
            if not same_category and one_category != other_category and one_split == "train" != other_split:
                return f"{one_category}.{one_split} and {other_category}.{other_split}"
    return None


def _twins(images: pd.DataFrame) -> list[str | None]:
    """For an image whose very bytes stand under another id in another split: that id and its list."""
    standing: dict[str, dict[str, str]] = {}
    for image, digest, galleries in zip(
        images["image_id"], images["digest"], images["galleries"], strict=True
    ):
        for gallery in galleries if isinstance(digest, str) else ():
            standing.setdefault(digest, {}).setdefault(_split(gallery), f"{image} of {gallery}")
    return [
        _elsewhere(standing.get(digest, {}), galleries)
        for digest, galleries in zip(images["digest"], images["galleries"], strict=True)
    ]


def _elsewhere(standing: dict[str, str], galleries: list[str]) -> str | None:
    own = {_split(gallery) for gallery in galleries}
    return next((named for split, named in standing.items() if split not in own), None)


def _split(gallery: str) -> str:
    return gallery.rsplit(".", 1)[1]
