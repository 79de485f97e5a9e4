"""What a measurement lacks of the published protocol, counted by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from dwc.evaluation.gaps import Gap, completeness, find_gaps, totals, with_left_out
from dwc.evaluation.protocols import Protocol, search_tasks
from dwc.store.build import build_store
from dwc.tables.build import load_tables
from tests.catalogue import write_catalogue
from tests.evaluation.catalogue import IMAGE_IDS, images_table, triplets_table
from tests.tables.run import run

LEFT_OUT_IMAGES = pd.DataFrame(
    {"image_id": ["a9"], "galleries": [["a.val"]], "label": ["a9"], "cause": ["missing_image"]}
)
# The query a3 → a9 is lost; no other query of `a` has a3 or a9. The other rows are no queries of val.
LEFT_OUT_TRIPLETS = pd.DataFrame(
    [("a", "val", "a3", "a9"), ("a", "train", "x", "a9"), ("a", "test", "a9", None)],
    columns=["category", "split", "reference_id", "target_id"],
)


@pytest.mark.parametrize(
    ("gallery", "gap", "told"),
    [
        (
            "original",
            Gap(queries=1, images=1),
            "The gallery lacks 1 of 8 images, and 1 of 5 queries is left out.",
        ),
        (
            "references_and_targets",
            Gap(queries=1, images=2),
            "The gallery lacks 2 of 8 images, and 1 of 5 queries is left out.",
        ),
    ],
)
def test_missing_queries_and_images_are_counted(gallery: str, gap: Gap, told: str) -> None:
    protocol = Protocol(split="val", gallery=gallery)  # type: ignore[arg-type]
    tasks = search_tasks(
        with_left_out(images_table(), LEFT_OUT_IMAGES), triplets_table(), IMAGE_IDS, protocol
    )
    gaps = find_gaps(tasks, LEFT_OUT_TRIPLETS, IMAGE_IDS, protocol)
    assert gaps == {"a": gap, "b": Gap()}
    assert completeness(totals(gaps, tasks)) == told


def test_nothing_missing_is_said_too() -> None:
    protocol = Protocol(split="val")
    tasks = search_tasks(
        with_left_out(images_table(), LEFT_OUT_IMAGES[:0]), triplets_table(), IMAGE_IDS, protocol
    )
    gaps = find_gaps(tasks, LEFT_OUT_TRIPLETS[:0], IMAGE_IDS, protocol)
    assert completeness(totals(gaps, tasks)) == "No query or gallery image is missing."


def test_a_gallery_that_all_categories_search_counts_once() -> None:
    one, other = search_tasks(images_table(), triplets_table(), IMAGE_IDS, Protocol(split="val"))
    shared = [one, replace(other, gallery=one.gallery)]
    assert totals({"a": Gap(images=3), "b": Gap(images=3)}, shared) == {
        "queries": 4,
        "missing_queries": 0,
        "gallery_images": 7,
        "missing_images": 3,
    }


def test_what_validation_drops_is_what_the_evaluation_says_it_lacks(tmp_path: Path) -> None:
    """dress-9 is an image of the gallery, the target of one query and the reference of another."""
    root = write_catalogue(tmp_path / "data", side_files=False)
    (root / "images/dress-9.jpg").unlink()
    (root / "images/dress-3.jpg").unlink()
    run(root, tmp_path / "build", missing_images="drop")
    tables = load_tables(tmp_path / "build" / "tables")
    build_store(
        tables.images,
        tables.triplets,
        root,
        tmp_path,
        resolution=8,
        min_word_count=1,
        caption_variants="joined",
    )
    protocol, image_ids = Protocol(split="val"), json.loads((tmp_path / "images.json").read_text())
    triplets = pd.read_parquet(tmp_path / "triplets.parquet")
    tasks = search_tasks(with_left_out(tables.images, tables.left_out.images), triplets, image_ids, protocol)
    assert [(task.category, len(task.gallery), len(task.triplets)) for task in tasks] == [
        ("dress", 3, 2),
        ("shirt", 4, 4),
        ("toptee", 4, 4),
    ]
    gaps = find_gaps(tasks, tables.left_out.triplets, image_ids, protocol)
    assert completeness(totals(gaps, tasks)) == (
        "The gallery lacks 1 of 12 images, and 2 of 12 queries are left out."
    )
