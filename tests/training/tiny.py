"""A tiny training for the tests of ranks and chunks: texts of several lengths, targets that come again."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.distributed as dist
from safetensors.torch import save_file
from torch import Tensor, nn

from dwc.model.backbone import Backbone
from dwc.model.cnn_stream import CnnStream
from dwc.model.dwc import DWC, ModelConfig
from dwc.model.rank_norm import share_batch_statistics
from dwc.model.ranks import rank, ranks
from dwc.store.dataset import Store
from dwc.training.batches import Batch, TripletBatches
from dwc.training.optimiser import build_adam
from dwc.training.step import LossSettings, Optimisers, alternating_step
from dwc.training.streams import streams_of_ranks

IMAGES, TRIPLETS, SIDE, BATCH = 6, 24, 32, 8


def write_store(folder: Path) -> Store:
    """Six random images, 24 triplets of one to five words."""
    random = np.random.default_rng(0)
    folder.mkdir(exist_ok=True)
    np.save(folder / "pixels.npy", random.integers(0, 256, (IMAGES, SIDE, SIDE, 3), dtype=np.uint8))
    (folder / "images.json").write_text(json.dumps([f"i{n}" for n in range(IMAGES)]))
    words = [random.integers(2, 12, random.integers(1, 6)).tolist() for _ in range(TRIPLETS)]
    pd.DataFrame({"text": "words", "words": words}).to_parquet(folder / "texts.parquet")
    target = random.integers(0, IMAGES, TRIPLETS)
    pd.DataFrame(
        {
            "triplet_id": [f"dress.train.{n:06d}" for n in range(TRIPLETS)],
            "category": "dress",
            "split": "train",
            "reference": random.integers(0, IMAGES, TRIPLETS),
            "target": target,
            "label": target,
            "texts": [[n, (n + 1) % TRIPLETS] for n in range(TRIPLETS)],
        }
    ).to_parquet(folder / "triplets.parquet")
    for name, rows in (("images", IMAGES), ("mirrored", IMAGES), ("texts", TRIPLETS)):
        np.save(folder / f"{name}.npy", random.standard_normal((rows, 12)).astype(np.float32))
    return Store(folder, folder)


class TinyBackbone(Backbone):
    """Two normalised convolutions: 32 × 32 pixels become 2 × 2 positions of 16 channels."""

    def __init__(self) -> None:
        first = [nn.Conv2d(3, 8, 3, stride=4, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU()]
        second = [nn.Conv2d(8, 16, 3, stride=4, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
        nn.Sequential.__init__(self, *first, *second)
        self.channels = 16


def build(dtype: torch.dtype, dropout: float = 0.0) -> tuple[DWC, Optimisers]:
    """The network and its optimisers."""
    torch.manual_seed(3)
    config = ModelConfig(
        backbone="resnet18", dim=16, words=12, word_dim=8, clip_dim=12, resolution=SIDE, dropout=dropout
    )
    model = DWC(config)
    model.cnn = CnnStream(TinyBackbone(), dim=16, words=12, word_dim=8, dropout=dropout)
    model.to(dtype).to(memory_format=torch.channels_last)
    rates = {"learning_rate": 1e-3, "weight_decay": 1e-6}
    return model, Optimisers(
        cnn=build_adam(model.cnn.parameters(), **rates), clip=build_adam(model.clip.parameters(), **rates)
    )


def batches(store: Store) -> TripletBatches:
    """This rank's part of the batches, with all that is random about them."""
    return TripletBatches(
        store,
        store.triplets,
        batch_size=BATCH,
        seed=5,
        flip=True,
        crop_scale=0.7,
        rotation=10,
        device=torch.device("cpu"),
        rank=rank(),
        ranks=ranks(),
    )


def in_dtype(batch: Batch, dtype: torch.dtype) -> Batch:
    """A batch whose numbers have a type."""
    values = {field.name: getattr(batch, field.name) for field in fields(batch)}
    return replace(batch, **{k: v.to(dtype) for k, v in values.items() if v.is_floating_point()})


def run(
    store: Store,
    steps: int,
    dtype: torch.dtype,
    *,
    chunk: int | None = None,
    normalise_by_batch: bool = True,
    loss: LossSettings | None = None,
) -> tuple[Tensor, DWC]:
    """Train some steps, alone or as a rank; losses [steps, 4], and the model."""
    loss = loss or LossSettings()
    model, optimisers = build(dtype)
    streams = None
    if ranks() > 1:
        share_batch_statistics(model)
        streams = streams_of_ranks(model, loss.teacher_image)
    model.train(normalise_by_batch)
    losses = []
    while len(losses) < steps:
        for batch in batches(store).epoch(len(losses)):
            done = alternating_step(
                model,
                in_dtype(batch, dtype),
                optimisers,
                loss,
                clip_gradient_norm=1.0,
                streams=streams,
                chunk=chunk,
            )
            losses.append(torch.stack(done).double())
    return torch.stack(losses)[:steps], model


def as_rank(number: int, count: int, folder: Path, runs: dict[str, dict[str, object]]) -> None:
    """What each process of several does: every run, its losses and weights into `<name><rank>`."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meeting'}", rank=number, world_size=count)
    for name, options in runs.items():
        losses, model = run(Store(folder, folder), **options)  # type: ignore[arg-type]
        tensors = {key: value.contiguous() for key, value in model.state_dict().items()}
        save_file({**tensors, "losses": losses}, folder / f"{name}{number}.safetensors")
    dist.destroy_process_group()
