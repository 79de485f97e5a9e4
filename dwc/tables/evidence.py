"""The tables as the checks need them: one flat row per thing checked, with what can be derived about it.

A column such as `unlisted` is null where all is well, and otherwise says what is wrong in words. Ids and
lists are compared here, with pandas, so that the expectations in `checks` are simple ones about columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from dwc.schema import DRAW, gallery_name
from dwc.tables.availability import serves_evaluation, unusable
from dwc.tables.build import Tables
from dwc.tables.lookalikes import alike, fold, suggest
from dwc.tables.phrases import reveals, says_nothing
from dwc.tables.summary import SplitCounts


def image_evidence(
    images: pd.DataFrame, near_duplicates: pd.DataFrame, max_megapixels: float
) -> pd.DataFrame:
    """One row per image. Sizes are null where the file could not be read; `file` is where to look."""
    width, height = images["width"].where(images["width"] > 0), images["height"].where(images["height"] > 0)
    listed = images["galleries"].map(lambda galleries: f"image list {galleries[0]}")
    other_spelling = alike(images["image_id"].dropna())
    evaluated = images["galleries"].map(serves_evaluation).astype(bool)
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
            "near_duplicate": images["image_id"].map(_near_duplicates(near_duplicates)),
            "unusable": unusable(images, max_megapixels).where(evaluated, None),
            "link": images["link"],
            "spelling": images["spelling"],
            "other_spelling": images["image_id"].map(other_spelling),
        }
    )


def triplet_evidence(tables: Tables) -> pd.DataFrame:
    """One row per triplet, with what is known of its ids and captions."""
    triplets = tables.triplets
    blanks = triplets["captions"].map(lambda captions: sum(not caption.strip() for caption in captions))
    counts = triplets["captions"].map(len)
    texts = triplets["captions"].map(_quoted)
    titles = triplets["target_id"].map(
        dict(zip(tables.images["image_id"], tables.images["title"], strict=True))
    )
    columns = ["triplet_id", "category", "split", "reference_id", "target_id"]
    return pd.DataFrame(
        {
            "file": triplets["source"],
            "record": triplets["record"],
            **{column: triplets[column] for column in columns},
            "text": texts,
            "drawing": triplets.get(DRAW, 0),
            "other_text": _other_texts(triplets, texts),
            "empty_phrase": triplets["captions"].map(says_nothing),
            "revealed": [reveals(*pair) for pair in zip(triplets["captions"], titles, strict=True)],
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


def split_evidence(counts: Sequence[SplitCounts]) -> pd.DataFrame:
    """One row per category and split that has triplets."""
    rows = pd.DataFrame(counts, columns=list(SplitCounts._fields))
    return rows.assign(file=rows["category"] + "." + rows["split"], record=None)


def fewest_words(captions: Sequence[str]) -> float:
    """Words of the shortest caption that is not blank; nan where all are."""
    return float(min((len(caption.split()) for caption in captions if caption.strip()), default=np.nan))


def _quoted(captions: Sequence[str]) -> str:
    return " and ".join(f"“{caption.strip()}”" for caption in captions)


def _memberships(tables: Tables) -> dict[str, list[str | None]]:
    """Which ends of each triplet are in no list, have no file, or lie outside the triplet's own list.

    An end in no list that differs from a listed one in spelling alone is named with it.
    """
    images, triplets = tables.images, tables.triplets
    listed = set(images["image_id"])
    filed = set(images["image_id"][images["path"].notna()])
    members = _members(images)
    folded = {fold(name): name for name in listed}
    found: dict[str, list[str | None]] = {
        "unlisted": [],
        "unlisted_query": [],
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
        named = _named({role: _hinted(name, folded) for role, name in unlisted.items()})
        found["unlisted"].append(named)
        found["unlisted_query"].append(named if split != "train" else None)
        found["without_file"].append(
            _named({role: image for role, image in known.items() if image not in filed})
        )
        found["outside"].append(_named(strangers if split != "train" else {}))
        found["outside_train"].append(_named(strangers if split == "train" else {}))
    return found


def _hinted(name: str, folded: dict[str, str]) -> str:
    meant = suggest(name, folded)
    return f"{name} (is {meant} meant?)" if meant else name


def _other_texts(triplets: pd.DataFrame, texts: pd.Series) -> list[str | None]:
    """Where the same pair stands again with other captions: those."""
    pairs = list(zip(triplets["split"], triplets["reference_id"], triplets["target_id"], strict=True))
    standing: dict[Any, dict[str, None]] = {}
    for pair, text in zip(pairs, texts, strict=True):
        if isinstance(pair[2], str):
            standing.setdefault(pair, {})[text] = None
    return [
        next((other for other in standing.get(pair, ()) if other != text), None)
        for pair, text in zip(pairs, texts, strict=True)
    ]


def _near_duplicates(found: pd.DataFrame) -> dict[str, str]:
    rows = zip(found["image_id"], found["training_id"], found["training_lists"], strict=True)
    return {image: f"{training} of {lists}" for image, training, lists in rows}


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
