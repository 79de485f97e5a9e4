"""Counting a data set, and taking a sample of it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from dwc.planning.size import sample, size_of
from dwc.raw.layouts import read
from dwc.schema import DRAW, RawData
from tests.catalogue import write_catalogue


@pytest.fixture
def raw() -> RawData:
    """Four pictures, three of them trained on; two training triplets, one without target, two queries."""
    images = pd.DataFrame(
        {
            "image_id": ["a", "b", "c", "d"],
            "path": [f"{name}.png" for name in "abcd"],
            "galleries": [["dress.train"], ["dress.train", "dress.val"], ["dress.train"], ["dress.val"]],
            "label": list("abcd"),
            "title": ["red", "black", "blue", "green"],
        }
    )
    rows = [
        ("t0", "train", "a", "b", ["longer", "is red"]),
        ("t1", "train", "b", "c", ["is red"]),
        ("t2", "train", "c", None, ["is red"]),
        ("v0", "val", "b", "d", ["longer", "darker"]),
        ("v1", "val", "d", "b", ["is red"]),
    ]
    columns = ["triplet_id", "split", "reference_id", "target_id", "captions"]
    return RawData(images=images, triplets=pd.DataFrame(rows, columns=columns).assign(category="dress"))


def test_counts_by_hand(raw: RawData) -> None:
    size = size_of(raw, "joined", 0.5, "val")
    assert size._asdict() == {
        "images": 4,
        "texts": 3,  # longer and is red; is red; longer and darker
        "taught": 2,  # not longer and darker
        "titled": 2,  # not b, which is searched too
        "learnt": 1,
        "held": 1,
        "searched": 2,
        "queries": 2,
    }
    # longer + is red in both orders and each alone; of the validation query only the one that is asked
    size = size_of(raw, "orders_and_singles", 0.0, "val")
    assert (size.texts, size.taught) == (4 + 1, 4)


def test_drawn_pairs_are_learnt_from_one_drawing_at_a_time(raw: RawData) -> None:
    drawn = pd.concat([raw.triplets.assign(**{DRAW: number}) for number in (0, 1)], ignore_index=True)
    both = RawData(images=raw.images, triplets=drawn)
    assert size_of(both, "joined", 0.0, "val").learnt == size_of(raw, "joined", 0.0, "val").learnt == 2


def test_a_sample_has_known_targets_and_only_its_own_images(raw: RawData) -> None:
    few = sample(raw, triplets=1, seed=0)
    assert len(few.triplets) == 1
    row = few.triplets.iloc[0]
    assert set(few.images["image_id"]) == {row["reference_id"], row["target_id"]}
    assert set(sample(raw, triplets=9, seed=0).triplets["triplet_id"]) == {"t0", "t1"}


def test_nothing_to_learn_from_is_said(raw: RawData) -> None:
    queries = RawData(images=raw.images, triplets=raw.triplets[raw.triplets["split"] == "val"])
    with pytest.raises(ValueError, match="No training triplet"):
        sample(queries, triplets=3, seed=0)


def test_counts_are_those_of_the_stages(tmp_path: Path) -> None:
    from dwc.store.build import build_store
    from dwc.tables.build import build_tables

    write_catalogue(tmp_path / "data", categories=("dress", "shirt"), train_images=12, val_images=6)
    raw = read("fashioniq", tmp_path / "data", [])
    tables = build_tables(raw, tmp_path / "data", max_megapixels=10)
    counts = build_store(
        tables.images,
        tables.triplets,
        tmp_path / "data",
        tmp_path,
        resolution=16,
        min_word_count=1,
        caption_variants="orders_and_singles",
    )
    size = size_of(raw, "orders_and_singles", 0.1, "val")
    assert (size.images, size.texts) == (counts["images"], counts["texts"])
