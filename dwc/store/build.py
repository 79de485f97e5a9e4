"""The preprocess stage: pixel store, texts and vocabulary."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from dwc.parallel import Spread
from dwc.schema import DRAW
from dwc.store.pixels import PIXELS, build_pixels
from dwc.store.texts import CaptionJoining, CaptionVariants, clean, sentence, variants
from dwc.store.vocabulary import Vocabulary


def build_store(
    images: pd.DataFrame,
    triplets: pd.DataFrame,
    root: Path,
    folder: Path,
    *,
    resolution: int,
    min_word_count: int,
    caption_variants: CaptionVariants,
    caption_joining: CaptionJoining = "and_token",
    max_megapixels: float = 100.0,
    earlier: Path | None = None,
    spread: Spread | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, int]:
    """Write the store of the tables into an existing folder; return its counts.

    images, triplets: the validated tables; root: folder their paths are relative to; resolution: pixels;
    earlier: a store whose pixels are taken over where the picture's file is the same; spread: decodes on
    other machines. What an interrupted call left in the folder is gone on with; `decoded` counts the pictures
    that had to be decoded.
    """
    images = images.reset_index(drop=True)
    paths = [root / path for path in images["path"]]
    decoded = build_pixels(
        paths,
        folder / PIXELS,
        resolution,
        max_megapixels=max_megapixels,
        earlier=earlier / PIXELS if earlier else None,
        spread=spread,
        progress=progress,
    )
    (folder / "images.json").write_text(json.dumps(images["image_id"].tolist()), encoding="utf-8")
    captions = [clean(row) for row in triplets["captions"]]
    training = triplets["split"].eq("train").tolist()
    vocabulary = Vocabulary.build(
        (text for row, used in zip(captions, training, strict=True) if used for text in row),
        min_count=min_word_count,
        and_token=caption_joining == "and_token",
    )
    vocabulary.save(folder / "vocabulary.json")
    shown = [
        variants(row, caption_variants if used else "joined")
        for row, used in zip(captions, training, strict=True)
    ]
    texts = _text_table(shown, vocabulary)
    texts.drop(columns="captions").to_parquet(folder / "texts.parquet", index=False)
    table = _triplet_table(triplets, images, shown, texts)
    table.to_parquet(folder / "triplets.parquet", index=False)
    return {
        "images": len(images),
        "decoded": decoded,
        "triplets": len(table),
        "texts": len(texts),
        "words": len(vocabulary),
    }


def _text_table(shown: list[list[tuple[str, ...]]], vocabulary: Vocabulary) -> pd.DataFrame:
    distinct = list(dict.fromkeys(text for row in shown for text in row))
    return pd.DataFrame(
        {
            "captions": distinct,
            "text": [sentence(captions) for captions in distinct],
            "words": [vocabulary.encode(captions) for captions in distinct],
        }
    )


def _triplet_table(
    triplets: pd.DataFrame, images: pd.DataFrame, shown: list[list[tuple[str, ...]]], texts: pd.DataFrame
) -> pd.DataFrame:
    """The triplets by row numbers of the store; target -1 where it is withheld.

    Where training pairs are drawn for every epoch, the drawing's number goes along.
    """
    image_row = {name: row for row, name in enumerate(images["image_id"])}
    text_row = {captions: row for row, captions in enumerate(texts["captions"])}
    table = pd.DataFrame(
        {
            "triplet_id": triplets["triplet_id"].to_numpy(),
            "category": triplets["category"].to_numpy(),
            "split": triplets["split"].to_numpy(),
            "reference": [image_row[name] for name in triplets["reference_id"]],
            "target": [image_row.get(name, -1) for name in triplets["target_id"]],
            "label": _target_labels(triplets, images),
            "texts": [[text_row[captions] for captions in row] for row in shown],
        }
    )
    return table.assign(**{DRAW: triplets[DRAW].to_numpy()}) if DRAW in triplets else table


def _target_labels(triplets: pd.DataFrame, images: pd.DataFrame) -> list[int]:
    """A number for each target's label, equal where two targets count as the same item; -1 where withheld."""
    codes, _ = pd.factorize(images["label"])
    code = dict(zip(images["image_id"], codes.tolist(), strict=True))
    return [code.get(name, -1) for name in triplets["target_id"]]
