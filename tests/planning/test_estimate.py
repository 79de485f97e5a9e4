"""Costs of the stages, worked out by hand."""

from __future__ import annotations

import pytest

from dwc.planning.estimate import STARTING, Epochs, Pace, Shape, Size, checkpoint_bytes, stage_costs

SIZE = Size(images=1000, texts=300, taught=250, titled=400, learnt=600, held=50, searched=200, queries=70)
PACE = Pace(
    read=2.0,
    picture_checked=0.01,
    picture_decoded=0.02,
    picture_embedded=0.03,
    text_embedded=0.04,
    title_adapted=0.05,
    text_learnt=0.06,
    triplet_learnt=0.1,
    picture_encoded=0.02,
    embed_memory=5e8,
    train_memory=9e8,
)
SHAPE = Shape(side=10, dim=6, clip_dim=4, weights=1000, clip_weights=500)
EPOCHS = Epochs(train=3, adapt=2, text=1)


def test_seconds_are_pace_times_size() -> None:
    costs = {cost.name: cost.seconds - STARTING for cost in stage_costs(SIZE, PACE, SHAPE, EPOCHS)}
    assert costs == pytest.approx(
        {
            "validate": 2 + 10,
            "preprocess": 20,
            "embed": 2 * 30 + 12 + 2 * 20 + 39,  # images twice, texts, titles in two epochs, 650 word texts
            "train": 3 * (60 + 2) + 4,  # two pictures of each held triplet, the gallery once
            "evaluate": (200 + 70) * 0.02,
        }
    )


def test_disk_is_that_of_the_files_kept() -> None:
    costs = {cost.name: cost.disk for cost in stage_costs(SIZE, PACE, SHAPE, EPOCHS)}
    gallery = 200 * (6 + 4) * 4
    assert costs == {
        "validate": 0,
        "preprocess": 1000 * 10 * 10 * 3,
        "embed": 2300 * 4 * 4 + 500 * 4,
        "train": (2 * 1000 + 500) * 4 + gallery,
        "evaluate": 0,
    }
    assert checkpoint_bytes(SHAPE) == 4 * 1000 * 4


def test_tables_make_memory_grow_and_the_gallery_is_held_in_evaluation() -> None:
    costs = {cost.name: cost.memory for cost in stage_costs(SIZE, PACE, SHAPE, EPOCHS)}
    more = stage_costs(SIZE._replace(images=2000), PACE, SHAPE, EPOCHS)
    assert more[0].memory - costs["validate"] == pytest.approx(3.0e6)
    assert (costs["embed"], costs["train"], costs["evaluate"]) == (5e8, 9e8, 9e8 + 200 * 40)
