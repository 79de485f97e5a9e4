"""The store and its features, by row number."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import Tensor

from dwc.store.build import build_store
from dwc.store.dataset import Store
from dwc.store.features import build_features


@pytest.fixture
def store_folder(tmp_path: Path) -> Path:
    for number in range(3):
        Image.new("RGB", (8, 8), (number * 100, 0, 0)).save(tmp_path / f"{number}.png")
    images = pd.DataFrame(
        {"image_id": ["a", "b", "c"], "path": ["0.png", "1.png", "2.png"], "label": ["x", "y", "y"]}
    )
    triplets = pd.DataFrame(
        {
            "triplet_id": [
                "dress.train.000000",
                "dress.train.000001",
                "dress.val.000000",
                "dress.test.000000",
            ],
            "category": "dress",
            "split": ["train", "train", "val", "test"],
            "reference_id": ["a", "a", "b", "c"],
            "target_id": ["b", "c", "a", None],
            "captions": [["is red", "more dots"], ["is red", ""], ["is new", "is old"], ["is red"]],
        }
    )
    folder = tmp_path / "store"
    folder.mkdir()
    counts = build_store(
        images,
        triplets,
        tmp_path,
        folder,
        resolution=4,
        min_word_count=1,
        caption_variants="orders_and_singles",
    )
    assert counts == {"images": 3, "decoded": 3, "triplets": 4, "texts": 5, "words": 9}
    return folder


def test_triplets_point_to_rows(store_folder: Path) -> None:
    store = Store(store_folder)
    assert store.triplets["reference"].tolist() == [0, 0, 1, 2]
    assert store.triplets["target"].tolist() == [1, 2, 0, -1]
    first, second, third, last = store.triplets["label"]
    assert first == second != third
    assert last == -1
    texts = [[store.texts[row] for row in rows] for rows in store.triplets["texts"]]
    assert texts == [
        ["is red and more dots", "more dots and is red", "is red", "more dots"],
        ["is red"],
        ["is new and is old"],
        ["is red"],
    ]


def test_evaluation_words_are_unknown_where_training_did_not_have_them(store_folder: Path) -> None:
    store = Store(store_folder)
    row = store.texts.index("is new and is old")
    words, mask = store.words(np.array([row, store.texts.index("is red")]))
    assert words[0].tolist().count(1) == 2
    assert mask.tolist() == [[True] * 7, [True, True, True, True, False, False, False]]


def test_pixels_are_those_of_the_image(store_folder: Path) -> None:
    store = Store(store_folder)
    assert store.side == 4
    assert store.images(store.rows(["c"]))[0, 0, 0].tolist() == [200, 0, 0]


def test_features_are_in_row_order_and_mirrored(store_folder: Path, tmp_path: Path) -> None:
    store = Store(store_folder)
    pixels = np.arange(5 * 4 * 4 * 3, dtype=np.uint8).reshape(5, 4, 4, 3)

    def encode_images(batch: Tensor) -> Tensor:
        return batch[:, 0, :, 0].float()

    def encode_texts(texts: Sequence[str]) -> Tensor:
        return torch.tensor([[float(len(text))] * 4 for text in texts])

    build_features(
        tmp_path,
        pixels,
        store.texts,
        dim=4,
        encoder="one",
        encode_images=encode_images,
        encode_texts=encode_texts,
        batch_size=2,
    )
    images, mirrored = np.load(tmp_path / "images.npy"), np.load(tmp_path / "mirrored.npy")
    assert images[3].tolist() == pixels[3, 0, :, 0].tolist()
    assert mirrored[3].tolist() == images[3][::-1].tolist()
    assert np.load(tmp_path / "texts.npy")[:, 0].tolist() == [len(text) for text in store.texts]


def test_missing_stages_are_named(tmp_path: Path, store_folder: Path) -> None:
    with pytest.raises(ValueError, match="Run the preprocess stage first"):
        Store(tmp_path / "nothing")
    with pytest.raises(ValueError, match="Run the embed stage first"):
        Store(store_folder, tmp_path)
