"""One alternating update of the two streams (METHOD section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from dwc.model.dwc import DWC
from dwc.model.losses import Similarity, contrastive_loss, mutual_loss
from dwc.model.precision import autocast
from dwc.model.ranks import gather_rows
from dwc.training.batches import Batch
from dwc.training.parts import part
from dwc.training.streams import (
    Embed,
    Embedded,
    Replay,
    Streams,
    TeacherImage,
    embed_in_chunks,
    gathered,
    streams_of,
)


@dataclass(frozen=True, kw_only=True)
class LossSettings:
    """Parameters of the two losses; see dwc.model.losses and params.yaml."""

    alpha: float = 0.2
    temperature: float = 0.07
    similarity: Similarity = "dot"
    detach_soft_labels: bool = False
    mutual_weight: float = 1.0
    mutual_scale: float = 10.0
    teacher_image: TeacherImage = "target"


class Optimisers(NamedTuple):
    """One optimiser for each stream."""

    cnn: torch.optim.Optimizer
    clip: torch.optim.Optimizer


class StepLosses(NamedTuple):
    """Losses of one step, still on the device."""

    cnn_contrastive: Float[Tensor, ""]
    cnn_mutual: Float[Tensor, ""]
    clip_contrastive: Float[Tensor, ""]
    clip_mutual: Float[Tensor, ""]


def alternating_step(
    model: DWC,
    batch: Batch,
    optimisers: Optimisers,
    loss: LossSettings,
    *,
    clip_gradient_norm: float | None = None,
    bf16: bool = False,
    streams: Streams | None = None,
    chunk: int | None = None,
) -> StepLosses:
    """Update the CLIP stream, taught by the CNN stream, then the CNN stream, taught by the updated other.

    The CNN stream's weights do not change before its own update, so one forward of it is teacher and student.
    batch: this rank's rows; the losses are those of all ranks' rows. streams: how a batch is embedded, where
    not in this process alone; chunk: rows that go through the CNN stream at once, None = all.
    """
    device = batch.reference.device
    streams = streams or streams_of(model, loss.teacher_image)
    labels = gather_rows(batch.labels)
    cnn, replay = _embed_cnn(streams.cnn, batch, chunk, model.cnn, bf16)
    with autocast(device, bf16):
        clip = gathered(streams.clip(batch))
    with part("losses"):
        clip_losses = _losses(clip, cnn, labels, loss)
    _update(optimisers.clip, clip_losses, loss.mutual_weight, model.clip, clip_gradient_norm)

    with torch.no_grad(), autocast(device, bf16):
        clip = gathered(streams.clip(batch))
    with part("losses"):
        cnn_losses = _losses(cnn, clip, labels, loss)
    _update(optimisers.cnn, cnn_losses, loss.mutual_weight, model.cnn, clip_gradient_norm, replay)
    return StepLosses(*(value.detach() for value in (*cnn_losses, *clip_losses)))


def _embed_cnn(
    embed: Embed, batch: Batch, chunk: int | None, weights: nn.Module, bf16: bool
) -> tuple[Embedded, Replay | None]:
    """The rows of all ranks as the CNN stream embeds them, whole or in chunks."""
    if chunk is not None and chunk < len(batch.labels):
        own, replay = embed_in_chunks(embed, batch, rows=chunk, weights=weights, bf16=bf16)
        return gathered(own), replay
    with autocast(batch.reference.device, bf16):
        return gathered(embed(batch)), None


def _losses(
    student: Embedded, teacher: Embedded, labels: Int[Tensor, " batch"], loss: LossSettings
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Contrastive and mutual loss of one stream."""
    contrastive = contrastive_loss(
        student.query,
        student.target,
        labels,
        alpha=loss.alpha,
        temperature=loss.temperature,
        similarity=loss.similarity,
        detach_soft_labels=loss.detach_soft_labels,
    )
    mutual = mutual_loss(
        student.query, student.target, teacher.query, teacher.teacher_target, scale=loss.mutual_scale
    )
    return contrastive, mutual


def _update(
    optimiser: torch.optim.Optimizer,
    losses: tuple[Float[Tensor, ""], Float[Tensor, ""]],
    mutual_weight: float,
    stream: nn.Module,
    clip_gradient_norm: float | None,
    replay: Replay | None = None,
) -> None:
    contrastive, mutual = losses
    with part("backward"):
        optimiser.zero_grad(set_to_none=True)
        (contrastive + mutual_weight * mutual).backward()
        if replay:
            replay()
    with part("optimiser"):
        if clip_gradient_norm is not None:
            nn.utils.clip_grad_norm_(stream.parameters(), clip_gradient_norm)
        optimiser.step()
