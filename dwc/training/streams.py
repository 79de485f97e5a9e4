"""How each stream embeds a batch, and how the loss over the whole batch gets back to its weights.

The loss compares every row with every other. What does not fit at once is therefore embedded in parts: the
rows of a batch by several ranks, whose embeddings are gathered, and the rows of a rank in chunks, which are
embedded a second time when the loss's gradient with respect to their embeddings is known (gradient caching:
Gao et al., 2021).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import fields
from functools import partial
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from dwc.model.dwc import DWC
from dwc.model.precision import autocast
from dwc.model.ranks import gather_rows, ranks
from dwc.training.batches import Batch

TeacherImage = Literal["target", "reference"]


class Embedded(NamedTuple):
    """A batch as one stream embeds it; all rows of unit length.

    teacher_target: what the stream shows the other one as targets; it equals `target` unless the teacher's
    image is the reference.
    """

    query: Float[Tensor, "batch dim"]
    target: Float[Tensor, "batch dim"]
    teacher_target: Float[Tensor, "batch dim"]


Embed = Callable[[Batch], Embedded]
Replay = Callable[[], None]
"""Carries a gradient from embeddings on to the weights, where `backward` alone does not."""


class Streams(NamedTuple):
    """How each stream embeds a batch."""

    cnn: Embed
    clip: Embed


def embed_cnn(model: DWC, batch: Batch, teacher_image: TeacherImage) -> Embedded:
    """Embed a batch with the CNN stream: two backbone forwards, reference and target."""
    reference_map = model.cnn.feature_map(batch.reference)
    query = model.cnn.compose(reference_map, batch.words, batch.mask).query.embedding
    target = model.cnn.target(batch.target)
    return Embedded(query, target, target if teacher_image == "target" else model.cnn.embed(reference_map))


def embed_clip(model: DWC, batch: Batch, teacher_image: TeacherImage) -> Embedded:
    """Embed a batch with the CLIP stream."""
    query = model.clip.query(batch.clip_reference, batch.clip_text).embedding
    target = model.clip.target(batch.clip_target)
    return Embedded(
        query, target, target if teacher_image == "target" else model.clip.target(batch.clip_reference)
    )


def streams_of(model: DWC, teacher_image: TeacherImage) -> Streams:
    """Both streams in this process alone."""
    return Streams(
        cnn=partial(embed_cnn, model, teacher_image=teacher_image),
        clip=partial(embed_clip, model, teacher_image=teacher_image),
    )


def streams_of_ranks(model: DWC, teacher_image: TeacherImage) -> Streams:
    """Both streams with the mean of all ranks' gradients, exchanged while the backward goes on (DDP).

    Rank 0's weights become everybody's. BatchNorm's running values are the same everywhere as they are.
    """
    alone = streams_of(model, teacher_image)
    pairs = ((model.cnn, alone.cnn), (model.clip, alone.clip))
    return Streams(*(DistributedDataParallel(_Stream(*pair), forward_sync_buffers=False) for pair in pairs))


class _Stream(nn.Module):
    """A stream's weights with what embeds a batch by them: what DistributedDataParallel can wrap."""

    def __init__(self, weights: nn.Module, embed: Embed) -> None:
        super().__init__()
        self.weights = weights
        self._embed = embed

    def forward(self, batch: Batch) -> Embedded:
        return self._embed(batch)


def gathered(own: Embedded) -> Embedded:
    """The batch as all ranks together embed it."""
    if ranks() == 1:
        return own
    query, target = gather_rows(torch.cat([own.query, own.target], dim=1)).chunk(2, dim=1)
    same = own.teacher_target is own.target
    return Embedded(query, target, target if same else gather_rows(own.teacher_target))


def embed_in_chunks(
    embed: Embed, batch: Batch, *, rows: int, weights: nn.Module, bf16: bool
) -> tuple[Embedded, Replay]:
    """Embed `rows` rows at a time without keeping what led to them; memory does not grow with the batch.

    weights: the stream that `embed` runs. Once the loss's gradient has come to the embeddings, the replay
    embeds each chunk again, with the same dropout, and carries the gradient on to the weights. BatchNorm sees
    chunks, and takes them into its running values once.
    """
    device = batch.reference.device
    chunks = _chunks(batch, rows)
    states, parts = [], []
    with torch.no_grad(), autocast(device, bf16):
        for chunk in chunks:
            states.append(_random_state(device))
            parts.append(embed(chunk))
    leaves = _leaves(parts)

    def replay() -> None:
        assert leaves.query.grad is not None and leaves.target.grad is not None
        wanted = zip(leaves.query.grad.split(rows), leaves.target.grad.split(rows), strict=True)
        with _kept_buffers(weights), _kept_random_state(device):
            for number, (chunk, state, gradients) in enumerate(zip(chunks, states, wanted, strict=True)):
                _set_random_state(device, state)
                with _exchanging(embed, number == len(chunks) - 1):
                    with autocast(device, bf16):
                        again = embed(chunk)
                    torch.autograd.backward([again.query, again.target], list(gradients))

    return leaves, replay


def _leaves(parts: list[Embedded]) -> Embedded:
    query, target, teacher = (torch.cat(values) for values in zip(*parts, strict=True))
    same = parts[0].teacher_target is parts[0].target
    target.requires_grad_()
    return Embedded(query.requires_grad_(), target, target if same else teacher)


def _chunks(batch: Batch, rows: int) -> list[Batch]:
    parts = {field.name: getattr(batch, field.name).split(rows) for field in fields(batch)}
    count = len(parts["labels"])
    return [Batch(**{name: values[number] for name, values in parts.items()}) for number in range(count)]


def _exchanging(embed: Embed, last: bool) -> AbstractContextManager[None]:
    """Let ranks exchange gradients with the last chunk only, when the others' have been added up."""
    return embed.no_sync() if isinstance(embed, DistributedDataParallel) and not last else nullcontext()


@contextmanager
def _kept_buffers(module: nn.Module) -> Iterator[None]:
    """Leave the module's buffers as they were before the block."""
    before = {name: buffer.clone() for name, buffer in module.named_buffers()}
    try:
        yield
    finally:
        for name, buffer in module.named_buffers():
            buffer.copy_(before[name])


def _random_state(device: torch.device) -> tuple[Tensor, ...]:
    """States of the generators that dropout may draw from."""
    own = torch.get_rng_state()
    return (own, torch.cuda.get_rng_state(device)) if device.type == "cuda" else (own,)


def _set_random_state(device: torch.device, state: tuple[Tensor, ...]) -> None:
    torch.set_rng_state(state[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state[1], device)


@contextmanager
def _kept_random_state(device: torch.device) -> Iterator[None]:
    before = _random_state(device)
    try:
        yield
    finally:
        _set_random_state(device, before)
