"""The training loop on a tiny store: gradients, determinism, resuming, selection."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from dwc.evaluation.heldout import heldout_recall
from dwc.model.dwc import DWC, ModelConfig
from dwc.store.dataset import Store
from dwc.training.batches import TripletBatches, split_holdout
from dwc.training.checkpoint import Checkpoints, fingerprint
from dwc.training.loop import train
from dwc.training.optimiser import LearningRates, build_adam, learning_rate_factor
from dwc.training.speed import Speed
from dwc.training.start import checkpoint_selection, training_triplets
from dwc.training.step import LossSettings, Optimisers, alternating_step
from dwc.training.streams import embed_clip, embed_cnn

IMAGES, TRIPLETS, SIDE = 10, 12, 32


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Ten random images, twelve triplets, two texts each."""
    random = np.random.default_rng(0)
    folder = tmp_path / "store"
    folder.mkdir()
    np.save(folder / "pixels.npy", random.integers(0, 256, (IMAGES, SIDE, SIDE, 3), dtype=np.uint8))
    (folder / "images.json").write_text(json.dumps([f"i{n}" for n in range(IMAGES)]))
    words = [[2, *random.integers(5, 9, random.integers(1, 4)), 4] for _ in range(2 * TRIPLETS)]
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
            "texts": [[2 * n, 2 * n + 1] for n in range(TRIPLETS)],
        }
    ).to_parquet(folder / "triplets.parquet")
    for name, rows in (("images", IMAGES), ("mirrored", IMAGES), ("texts", 2 * TRIPLETS)):
        np.save(folder / f"{name}.npy", random.standard_normal((rows, 12)).astype(np.float32))
    return Store(folder, folder)


def build() -> tuple[DWC, Optimisers]:
    torch.manual_seed(3)
    config = ModelConfig(backbone="resnet18", dim=16, words=10, word_dim=8, clip_dim=12, resolution=SIDE)
    model = DWC(config)
    model.to(memory_format=torch.channels_last)  # as dwc.training.start builds it
    rates = (1e-3, 1e-3)
    streams = (model.cnn, model.clip)
    return model, Optimisers(
        *(
            build_adam(s.parameters(), learning_rate=r, weight_decay=0.0)
            for s, r in zip(streams, rates, strict=True)
        )
    )


def batches(store: Store) -> TripletBatches:
    return TripletBatches(
        store, store.triplets, batch_size=4, seed=5, flip=True, crop_scale=0.8, device=torch.device("cpu")
    )


UPDATE = partial(alternating_step, loss=LossSettings(), clip_gradient_norm=1.0)


def run(
    store: Store,
    folder: Path,
    epochs: int,
    *,
    stop_after: int | None = None,
    watched: Callable[[DWC], Speed] | None = None,
    logged: list[tuple[str, float]] | None = None,
    **options: object,
):
    """Train; with `stop_after`, as if killed in the epoch after it. Returns the model and its history."""
    model, optimisers = build()
    speed = watched(model) if watched else None
    calls: list[int] = []

    def validate(_: DWC) -> Mapping[str, float]:
        calls.append(1)
        if stop_after is not None and len(calls) > stop_after:
            raise KeyboardInterrupt
        return {"heldout_recall_at_10": float(sum(p.sum().item() for p in model.clip.parameters()))}

    history = train(
        model,
        batches(store),
        optimisers,
        epochs=epochs,
        rates=LearningRates(cnn=1e-3, clip=1e-3, schedule="cosine", warmup=0.1),
        update=UPDATE,
        validate=validate,
        log=lambda figures, step: None if logged is None else logged.extend(figures.items()),
        checkpoints=Checkpoints(folder, "this training"),
        seed=1,
        speed=speed,
        **{"selected_by": "heldout_recall_at_10", **options},
    )
    if speed:
        speed.close()
    return model, history


def test_every_parameter_receives_a_gradient_from_its_own_stream_only(store: Store) -> None:
    model, _ = build()
    batch = next(iter(batches(store).epoch(0)))
    embed_cnn(model, batch, "target").query.square().sum().backward()
    without = {name for name, p in model.named_parameters() if p.grad is None}
    targets_only = {"cnn.target_pool.p"}
    assert (
        without == {name for name, _ in model.named_parameters() if name.startswith("clip.")} | targets_only
    )
    model.zero_grad()
    clip = embed_clip(model, batch, "target")
    (clip.query.sum() + clip.target.sum()).backward()
    assert all((p.grad is not None) == name.startswith("clip.") for name, p in model.named_parameters())


def test_each_update_moves_its_own_stream(store: Store) -> None:
    model, optimisers = build()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    alternating_step(model, next(iter(batches(store).epoch(0))), optimisers, LossSettings())
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert moved == set(before)


def test_same_seed_and_epoch_give_the_same_batches(store: Store) -> None:
    first, second, other = (list(batches(store).epoch(number)) for number in (1, 1, 2))
    assert len(first) == 3
    assert all(torch.equal(a.reference, b.reference) for a, b in zip(first, second, strict=True))
    assert not all(torch.equal(a.reference, b.reference) for a, b in zip(first, other, strict=True))


def test_mirrored_pixels_come_with_the_mirrored_embedding(store: Store) -> None:
    plain = TripletBatches(
        store, store.triplets, batch_size=12, seed=5, flip=True, crop_scale=1.0, device=torch.device("cpu")
    )
    batch = next(iter(plain.epoch(0)))
    for image, embedding in zip(batch.target, batch.clip_target, strict=True):
        row = next(
            (n, mirrored)
            for n in range(IMAGES)
            for mirrored, table in ((False, store.clip_images), (True, store.clip_mirrored))
            if np.array_equal(table[n], embedding.numpy())
        )
        pixels = store.images(np.array([row[0]]))[0].float()
        expected = pixels.flip(1) if row[1] else pixels
        assert torch.corrcoef(torch.stack([expected[..., 0].flatten(), image[0].flatten()]))[0, 1] > 0.999


def test_an_interrupted_training_ends_as_if_it_had_not_been(store: Store, tmp_path: Path) -> None:
    straight, expected = run(store, tmp_path / "a", 4)
    with pytest.raises(KeyboardInterrupt):
        run(store, tmp_path / "b", 4, stop_after=2)
    resumed, history = run(store, tmp_path / "b", 4)
    for name, value in straight.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    assert [row["cnn_contrastive"] for row in history] == [row["cnn_contrastive"] for row in expected]


def test_the_fused_update_is_adam_whatever_the_memory_layout() -> None:
    results = []
    for fused in (True, False):
        torch.manual_seed(0)
        layer = torch.nn.Conv2d(4, 8, 3).double().to(memory_format=torch.channels_last)
        optimiser = torch.optim.Adam(layer.parameters(), lr=1e-1, fused=fused)
        for _ in range(3):
            optimiser.zero_grad()
            layer(torch.randn(2, 4, 6, 6, dtype=torch.float64)).square().sum().backward()
            optimiser.step()
        results.append(layer.weight.detach())
    torch.testing.assert_close(*results)


def test_a_checkpoint_of_another_training_is_ignored(store: Store, tmp_path: Path) -> None:
    run(store, tmp_path, 1)
    model, optimisers = build()
    assert Checkpoints(tmp_path, "another training").resume(model, optimisers) == []
    assert len(Checkpoints(tmp_path, "this training").resume(model, optimisers)) == 1


@pytest.mark.parametrize(
    "damaged",
    [
        "last/model.safetensors",
        "last/state.json",
        "last/clip_optimiser.safetensors",
        "best/model.safetensors",
    ],
)
def test_a_damaged_checkpoint_starts_training_anew_with_a_warning(
    damaged: str, store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole, _ = run(store, tmp_path / "a", 2)
    run(store, tmp_path / "b", 1)
    file = tmp_path / "b" / damaged
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(bytes(content))
    again, history = run(store, tmp_path / "b", 2)
    assert "the checkpoint is damaged; training starts anew" in caplog.text
    assert len(history) == 2
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_damaged_weights_of_the_best_epoch_are_not_taken(store: Store, tmp_path: Path) -> None:
    model, _ = run(store, tmp_path, 1)
    (tmp_path / "best/model.safetensors").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"best: damaged\. Delete .* and run the train stage again"):
        Checkpoints(tmp_path, "this training").load_best(model)


def test_the_best_epoch_is_kept(store: Store, tmp_path: Path) -> None:
    best, history = run(store, tmp_path / "best", 3)
    last, _ = run(store, tmp_path / "last", 3, selected_by=None)
    sums = [row["heldout_recall_at_10"] for row in history]
    assert sum(p.sum().item() for p in best.clip.parameters()) == pytest.approx(max(sums))
    assert sum(p.sum().item() for p in last.clip.parameters()) == pytest.approx(sums[-1])


def test_what_chooses_the_checkpoint(store: Store) -> None:
    store.triplets.loc[[3, 7], "split"] = "val"
    store.triplets.loc[7, "target"] = -1  # withheld
    learnt, held = split_holdout(training_triplets(store), 0.2, seed=1)
    assert (len(learnt), len(held)) == (8, 2)
    best, last, evaluation = (checkpoint_selection(s, held, store) for s in ("best", "last", "evaluation"))
    assert (best.selected_by, best.triplets is held) == ("heldout_recall_at_10", True)
    assert (last.selected_by, last.triplets is held) == (None, True)
    assert evaluation.selected_by == "evaluation_recall_at_10"
    assert evaluation.triplets["triplet_id"].tolist() == ["dress.train.000003"]
    with pytest.raises(ValueError, match=r"Raise train\.holdout"):
        checkpoint_selection("best", held[:0], store)
    assert checkpoint_selection("last", held[:0], store).selected_by is None


def test_recall_is_named_after_the_triplets_that_it_is_of(store: Store) -> None:
    model, _ = build()
    options = {"batch_size": 4, "bf16": False}
    figures = heldout_recall(model.eval(), store, store.triplets, name="evaluation", **options)
    assert set(figures) == {f"evaluation_{stream}recall_at_10" for stream in ("", "cnn_", "clip_")}
    assert heldout_recall(model, store, store.triplets[:0], **options) == {}


def test_a_diverged_loss_stops_with_a_remedy(store: Store, tmp_path: Path) -> None:
    store.clip_texts = np.full_like(store.clip_texts, np.nan)
    with pytest.raises(ValueError, match=r"not a number in epoch 1.*learning_rate"):
        run(store, tmp_path, 1)


def test_too_few_triplets_for_a_batch(store: Store) -> None:
    with pytest.raises(ValueError, match="only 2 training triplets"):
        TripletBatches(
            store,
            store.triplets[:2],
            batch_size=4,
            seed=0,
            flip=False,
            crop_scale=1.0,
            device=torch.device("cpu"),
        )


def test_holdout_divides_without_overlap(store: Store) -> None:
    learnt, held = split_holdout(store.triplets, 0.25, seed=1)
    assert len(held) == 3
    assert set(learnt["triplet_id"]) | set(held["triplet_id"]) == set(store.triplets["triplet_id"])
    assert not set(learnt["triplet_id"]) & set(held["triplet_id"])


def test_learning_rate_course() -> None:
    def course(steps: Iterator[int], schedule: str) -> list[float]:
        return [learning_rate_factor(step, 10, schedule=schedule, warmup=0.2) for step in steps]

    assert course(range(4), "constant") == pytest.approx([1 / 3, 2 / 3, 1.0, 1.0])
    assert course([2, 6], "cosine") == pytest.approx([1.0, 0.5])


def test_fingerprint_depends_on_parameters_and_bytes(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_bytes(b"a")
    first = fingerprint({"epochs": 1}, [file])
    assert fingerprint({"epochs": 2}, [file]) != first
    file.write_bytes(b"b")
    assert fingerprint({"epochs": 1}, [file]) != first


def drawn(store: Store) -> pd.DataFrame:
    """The store's triplets as three drawings of the same four references."""
    triplets = store.triplets.copy()
    triplets["reference"] = np.tile(np.arange(4), 3)
    triplets["target"] = triplets["label"] = np.repeat([4, 5, 6], 4)
    return triplets.assign(draw=np.repeat([0, 1, 2], 4))


def test_each_epoch_trains_on_the_next_drawing(store: Store) -> None:
    batches = TripletBatches(
        store, drawn(store), batch_size=2, seed=5, flip=False, crop_scale=1.0, device=torch.device("cpu")
    )
    assert len(batches) == 2
    targets = [{int(label) for batch in batches.epoch(e) for label in batch.labels} for e in range(4)]
    assert targets == [{4}, {5}, {6}, {4}]


def test_the_smallest_drawing_sets_the_length_of_an_epoch(store: Store) -> None:
    batches = TripletBatches(
        store, drawn(store)[:-2], batch_size=2, seed=5, flip=False, crop_scale=1.0, device=torch.device("cpu")
    )
    assert len(batches) == 1 and [len(list(batches.epoch(e))) for e in range(3)] == [1, 1, 1]


def test_held_out_references_are_in_no_drawing(store: Store) -> None:
    learnt, held = split_holdout(drawn(store), 0.5, seed=1)
    assert len(held) == 2 and set(held["draw"]) == {0}
    assert not set(learnt["reference"]) & set(held["reference"])
    assert learnt["draw"].value_counts().to_dict() == {0: 2, 1: 2, 2: 2}
