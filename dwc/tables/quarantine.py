"""What is left out of the tables, each row with its reason; nothing is dropped without being named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Literal, NamedTuple

import pandas as pd

from dwc.tables.availability import MissingImages, droppable, unusable
from dwc.tables.build import LeftOut, Tables
from dwc.tables.leakage import evaluation_pictures, unlist_training

SELF_PAIR = "reference and target are the same image"
NO_TEXT = "all captions are blank"
UNLISTED = "is in no image list"


class Verdict(NamedTuple):
    """Why a row is left out: the kind of reason, and the reason in words.

    `missing_image` = an image cannot be used; `evaluation_image` = training must not see it; a row of cause
    `layout` is one that the data set's layout itself cannot use.
    """

    cause: Literal["missing_image", "evaluation_image", "self_pair", "no_text"]
    reason: str


class Ends(NamedTuple):
    """A triplet's images, and what else decides whether it is used."""

    split: str
    reference: str
    target: str | None
    captions: list[str]


def left_out(
    tables: Tables, *, missing_images: MissingImages, max_megapixels: float, exclude_eval_images: bool
) -> LeftOut:
    """Decide what is not used; what the layout has left out already is part of it."""
    images = tables.images
    reasons = unusable(images, max_megapixels)
    dropped = reasons[reasons.notna() & droppable(images, missing_images)]
    gone = dict(zip(images.loc[dropped.index, "image_id"], dropped, strict=True))
    seen = evaluation_pictures(images) if exclude_eval_images else {}
    judge = _judge(gone, set(images["image_id"]), seen, missing_images)
    triplets = _with_verdicts(tables.triplets, map(judge, _ends(tables.triplets)))
    return LeftOut(
        triplets=pd.concat([tables.left_out.triplets, triplets], ignore_index=True)
        if len(triplets)
        else tables.left_out.triplets,
        images=_with_verdicts(
            images, map(_image_verdicts(gone, seen), images["image_id"], images["galleries"])
        ),
        no_longer_training=_training(images) & frozenset(seen) - frozenset(gone),
    )


def _training(images: pd.DataFrame) -> frozenset[str]:
    lists = zip(images["image_id"], images["galleries"], strict=True)
    return frozenset(name for name, own in lists if unlist_training(own) != own)


def without(tables: Tables, left: LeftOut) -> Tables:
    """Return the tables without what is left out, and without what the side files say of it."""
    triplets = set(left.triplets["triplet_id"])
    images = tables.images[~tables.images["image_id"].isin(left.images["image_id"])].reset_index(drop=True)
    lists = zip(images["image_id"], images["galleries"], strict=True)
    return replace(
        tables,
        images=images.assign(
            galleries=pd.Series(
                [unlist_training(own) if name in left.no_longer_training else own for name, own in lists],
                index=images.index,
                dtype=object,
            )
        ),
        triplets=tables.triplets[~tables.triplets["triplet_id"].isin(triplets)].reset_index(drop=True),
        relevant={name: ids for name, ids in tables.relevant.items() if name not in triplets},
        noise={name: kinds for name, kinds in tables.noise.items() if name not in triplets},
        left_out=left,
    )


def _ends(triplets: pd.DataFrame) -> Iterator[Ends]:
    targets = (target if isinstance(target, str) else None for target in triplets["target_id"])
    return map(Ends, triplets["split"], triplets["reference_id"], targets, triplets["captions"])


def _judge(
    gone: Mapping[str, str], listed: set[str], seen: Mapping[str, str], policy: MissingImages
) -> Callable[[Ends], Verdict | None]:
    """Return what says of a triplet why it is left out; null where it is used.

    A triplet whose reference is its target teaches nothing, and as a query has no answer once the reference
    is masked. One without any text teaches nothing either; as a query it stays, since the number of queries
    is part of the published protocol.
    """

    def verdict(ends: Ends) -> Verdict | None:
        training = ends.split == "train"
        roles = {"reference": ends.reference} | ({"target": ends.target} if ends.target else {})
        if ends.reference == ends.target:
            return Verdict("self_pair", SELF_PAIR)
        if training and not any(caption.strip() for caption in ends.captions):
            return Verdict("no_text", NO_TEXT)
        for role, image in roles.items():
            if image in gone:
                return Verdict("missing_image", f"{role} {image} {gone[image]}")
            if image not in listed and (policy == "drop" or (training and policy != "fail")):
                return Verdict("missing_image", f"{role} {image} {UNLISTED}")
        for role, image in roles.items():
            if training and image in seen:
                return Verdict("evaluation_image", f"{role} {image} {seen[image]}")
        return None

    return verdict


def _image_verdicts(
    gone: Mapping[str, str], seen: Mapping[str, str]
) -> Callable[[str, list[str]], Verdict | None]:
    def verdict(name: str, galleries: list[str]) -> Verdict | None:
        if name in gone:
            return Verdict("missing_image", gone[name])
        if name in seen and not unlist_training(galleries):
            return Verdict("evaluation_image", seen[name])
        return None

    return verdict


def _with_verdicts(rows: pd.DataFrame, verdicts: Iterator[Verdict | None]) -> pd.DataFrame:
    """The rows that have a verdict, with it as two more columns."""
    found = {number: verdict for number, verdict in enumerate(verdicts) if verdict is not None}
    chosen = rows.iloc[list(found)].reset_index(drop=True)
    return chosen.assign(
        cause=[verdict.cause for verdict in found.values()],
        reason=[verdict.reason for verdict in found.values()],
    )
