"""A catalogue small enough to work out every rank by hand: eight images, one-hot embeddings."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from dwc.evaluation.encoded import EncodedQueries, Streams
from dwc.store.dataset import Store

IMAGE_IDS = ["a0", "a1", "a2", "a3", "b0", "b1", "b2", "x"]

GALLERIES = [["a.val"]] * 4 + [["b.val"]] * 3 + [["a.train", "b.train"]]

# triplet_id, category, reference, target: `a` has two queries, `b` has two
QUERIES = [("a.0", "a", 0, 1), ("a.1", "a", 1, 2), ("b.0", "b", 4, 5), ("b.1", "b", 5, 6)]


def images_table() -> pd.DataFrame:
    return pd.DataFrame({"image_id": IMAGE_IDS, "galleries": GALLERIES, "label": IMAGE_IDS})


def triplets_table() -> pd.DataFrame:
    rows = [(name, category, "val", reference, target) for name, category, reference, target in QUERIES]
    table = pd.DataFrame(rows, columns=["triplet_id", "category", "split", "reference", "target"])
    return table.assign(texts=[[row] for row in range(len(table))])


def write_store(root: Path, triplets: pd.DataFrame, *, side: int = 8) -> Store:
    """A real store whose CLIP gives one-hot vectors; text q points at image q + 1."""
    store, features = root / "store", root / "features"
    for folder in (store, features):
        folder.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (len(IMAGE_IDS), side, side, 3), dtype=np.uint8)
    np.save(store / "pixels.npy", pixels)
    (store / "images.json").write_text(json.dumps(IMAGE_IDS))
    texts = [f"is {colour} & <b>{colour}</b>" for colour in ("red", "blue", "green", "grey")]
    pd.DataFrame({"text": texts, "words": [[2, 4, 3]] * 4}).to_parquet(store / "texts.parquet")
    triplets.to_parquet(store / "triplets.parquet")
    one_hot = np.eye(len(IMAGE_IDS), dtype=np.float32)
    np.save(features / "images.npy", 3 * one_hot)  # not normalised, as CLIP's are not
    np.save(features / "mirrored.npy", one_hot)
    np.save(features / "texts.npy", np.roll(one_hot, 1, axis=1)[:4])
    return Store(store, features)


def one_hot_streams(rows: np.ndarray) -> Streams:
    eye = torch.eye(len(IMAGE_IDS))[torch.from_numpy(rows)]
    return Streams(cnn=eye, clip=eye)


def queries_scoring(cnn: list[list[float]], clip: list[list[float]]) -> EncodedQueries:
    """Queries by the score that each of the eight images gets from each stream."""
    count = len(cnn)
    return EncodedQueries(
        cnn=torch.tensor(cnn),
        clip=torch.tensor(clip),
        cnn_image_weight=torch.linspace(0, 1, count),
        clip_image_weight=torch.full((count,), 0.25),
    )
