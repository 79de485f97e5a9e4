"""Recall on the held-out training triplets, which chooses the checkpoint."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from dwc.evaluation.encode import encode_gallery, encode_queries
from dwc.evaluation.recall import rank
from dwc.model.dwc import DWC
from dwc.store.dataset import Store


def heldout_recall(
    model: DWC,
    store: Store,
    triplets: pd.DataFrame,
    *,
    batch_size: int,
    bf16: bool,
    name: str = "heldout",
) -> dict[str, float]:
    """Share of held-out triplets whose target is among the first 10, fused and per stream.

    Each category's gallery is the references and targets of its held-out triplets; the reference is masked.
    name: what the figures' names begin with. Nothing without triplets.
    """
    if triplets.empty:
        return {}
    hits: dict[str, list[torch.Tensor]] = {"": [], "cnn_": [], "clip_": []}
    for _, queries in triplets.groupby("category", sort=True):
        rows = np.unique(queries[["reference", "target"]].to_numpy())
        gallery = encode_gallery(model, store, rows, batch_size=batch_size, bf16=bf16)
        query = encode_queries(model, store, queries, batch_size=batch_size, bf16=bf16)
        systems = {
            "": (torch.cat([query.cnn, query.clip], 1), torch.cat([gallery.cnn, gallery.clip], 1)),
            "cnn_": (query.cnn, gallery.cnn),
            "clip_": (query.clip, gallery.clip),
        }
        position = {row: number for number, row in enumerate(rows.tolist())}
        labels = {position[t]: label for t, label in zip(queries["target"], queries["label"], strict=True)}
        for stream, (queried, searched) in systems.items():
            ranking = rank(
                queried,
                searched,
                labels=torch.tensor([labels.get(number, -1 - number) for number in range(len(rows))]),
                target_labels=torch.tensor(queries["label"].to_numpy()),
                masked=torch.tensor([position[row] for row in queries["reference"]]),
                top=10,
            )
            hits[stream].append(ranking.rank_of_hit <= 10)
    return {
        f"{name}_{stream}recall_at_10": float(torch.cat(found).double().mean())
        for stream, found in hits.items()
    }
