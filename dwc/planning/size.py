"""How much there is in a data set, and a small part of it that stands for the whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain

from dwc.planning.estimate import Size
from dwc.schema import DRAW, RawData
from dwc.store.texts import CaptionVariants, clean, variants
from dwc.training.adapt import titled_training_images


def size_of(raw: RawData, caption_variants: CaptionVariants, holdout: float, split: str) -> Size:
    """Counts of a data set as the stages will find them, if nothing of it is left out.

    holdout: share of the training triplets that are held back; split: the one that is evaluated. Where pairs
    are drawn anew for every epoch, those of one drawing are learnt from.
    """
    in_training = raw.triplets["split"].eq("train")
    training = in_training & raw.triplets["target_id"].notna()
    taught = _texts(raw.triplets.loc[in_training, "captions"], caption_variants)
    asked = _texts(raw.triplets.loc[~in_training, "captions"], "joined")
    drawings = raw.triplets.loc[training, DRAW].nunique() if DRAW in raw.triplets else 1
    held = round(int(training.sum()) * holdout)
    searched = raw.images["galleries"].map(lambda names: any(name.endswith(f".{split}") for name in names))
    return Size(
        images=len(raw.images),
        texts=len(taught | asked),
        taught=len(taught),
        titled=len(titled_training_images(raw.images)),
        learnt=(int(training.sum()) - held) // max(1, drawings),
        held=held,
        searched=int(searched.sum()),
        queries=int(raw.triplets["split"].eq(split).sum()),
    )


def _texts(captions: Iterable[Sequence[str]], form: CaptionVariants) -> set[tuple[str, ...]]:
    return set(chain.from_iterable(variants(clean(of_one), form) for of_one in captions))


def sample(raw: RawData, *, triplets: int, seed: int) -> RawData:
    """So many training triplets with a known target, or all where there are fewer, and their images.

    Raises ValueError where there are none.
    """
    known = raw.triplets[raw.triplets["split"].eq("train") & raw.triplets["target_id"].notna()]
    if known.empty:
        raise ValueError("No training triplet has a known target: there is nothing to learn from.")
    chosen = known.sample(min(triplets, len(known)), random_state=seed).drop(columns=DRAW, errors="ignore")
    named = set(chosen["reference_id"]) | set(chosen["target_id"])
    images = raw.images[raw.images["image_id"].isin(named)]
    return replace(
        raw,
        images=images.reset_index(drop=True),
        triplets=chosen.reset_index(drop=True),
        relevant={},
        noise={},
    )
