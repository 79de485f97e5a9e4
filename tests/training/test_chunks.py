"""Rows that go through the network in chunks get the gradient that they get together."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dwc.store.dataset import Store
from dwc.training.step import LossSettings, alternating_step
from dwc.training.streams import embed_cnn, embed_in_chunks, streams_of
from tests.training.tiny import batches, build, write_store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return write_store(tmp_path)


def gradients(store: Store, chunk: int | None, dropout: float = 0.0) -> dict[str, torch.Tensor]:
    """Gradients of the last update, whose optimiser is told to leave the weights alone."""
    model, optimisers = build(torch.float32, dropout)
    for optimiser in optimisers:
        optimiser.param_groups[0]["lr"] = 0.0
    model.eval()
    torch.manual_seed(0)
    alternating_step(model, next(batches(store).epoch(0)), optimisers, LossSettings(), chunk=chunk)
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("chunk", [3, 8, 100])
def test_chunks_have_the_whole_batches_gradient(store: Store, chunk: int) -> None:
    whole, parts = gradients(store, None), gradients(store, chunk)
    assert whole.keys() == parts.keys() and any(value.abs().max() > 1e-3 for value in whole.values())
    for name, value in whole.items():
        torch.testing.assert_close(
            parts[name], value, rtol=1e-5, atol=1e-6, msg=lambda m, n=name: f"{n}: {m}"
        )


def test_the_replay_sees_the_same_dropout_and_leaves_buffers_and_generator_alone(store: Store) -> None:
    model, _ = build(torch.float32, dropout=0.5)
    model.train()
    seen: list[torch.Tensor] = []

    def embed(batch):
        embedded = embed_cnn(model, batch, "target")
        seen.append(embedded.query.detach())
        return embedded

    batch = next(batches(store).epoch(0))
    embedded, replay = embed_in_chunks(embed, batch, rows=4, weights=model.cnn, bf16=False)
    counted = {name: int(b) for name, b in model.named_buffers() if name.endswith("num_batches_tracked")}
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    generator = torch.get_rng_state()
    (embedded.query.sum() + embedded.target.square().sum()).backward()
    replay()
    assert set(counted.values()) >= {2} and max(counted.values()) <= 4  # two chunks, some layers run twice
    assert all(torch.equal(buffer, buffers[name]) for name, buffer in model.named_buffers())
    assert torch.equal(torch.get_rng_state(), generator)
    assert [len(rows) for rows in seen] == [4, 4, 4, 4]
    assert not torch.equal(seen[0], seen[1])
    assert torch.equal(seen[0], seen[2]) and torch.equal(seen[1], seen[3])


def test_memory_of_a_chunk_suffices(store: Store) -> None:
    model, _ = build(torch.float32)
    sizes: list[int] = []
    model.cnn.backbone.register_forward_hook(lambda _, __, output: sizes.append(len(output)))
    batch = next(batches(store).epoch(0))
    embed = streams_of(model, "target").cnn
    embedded, replay = embed_in_chunks(embed, batch, rows=2, weights=model.cnn, bf16=False)
    (embedded.query.sum() + embedded.target.square().sum()).backward()
    replay()
    assert set(sizes) == {2} and len(sizes) == 2 * 2 * 4
