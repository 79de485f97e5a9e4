"""Recall on the held-out training triplets, which chooses the checkpoint."""

from __future__ import annotations

import pandas as pd
import torch
from torch import Tensor

from dwc.evaluation.encode import encode_gallery, encode_queries
from dwc.evaluation.protocols import heldout_tasks
from dwc.evaluation.systems import model_systems, search
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
    hits: dict[str, list[Tensor]] = {}
    for task in heldout_tasks(triplets):
        gallery = encode_gallery(model, store, task.gallery, batch_size=batch_size, bf16=bf16)
        queries = encode_queries(model, store, task.triplets, batch_size=batch_size, bf16=bf16)
        for system, query, images in model_systems(gallery, queries):
            ranking = search(task, query, images, top=10)
            hits.setdefault(system, []).append(ranking.rank_of_hit <= 10)
    return {
        f"{name}_{'' if system == 'fused' else f'{system}_'}recall_at_10": float(
            torch.cat(found).double().mean()
        )
        for system, found in hits.items()
    }
