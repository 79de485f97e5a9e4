"""One alternating update of the two streams (METHOD section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dwc.model.dwc import DWC
from dwc.model.losses import Similarity, contrastive_loss, mutual_loss
from dwc.model.precision import autocast
from dwc.training.batches import Batch
from dwc.training.parts import part


@dataclass(frozen=True, kw_only=True)
class LossSettings:
    """Parameters of the two losses; see dwc.model.losses and params.yaml."""

    alpha: float = 0.2
    temperature: float = 0.07
    similarity: Similarity = "dot"
    detach_soft_labels: bool = False
    mutual_weight: float = 1.0
    mutual_scale: float = 10.0
    teacher_image: Literal["target", "reference"] = "target"


class Optimisers(NamedTuple):
    """One optimiser for each stream."""

    cnn: torch.optim.Optimizer
    clip: torch.optim.Optimizer


class Embedded(NamedTuple):
    """A batch as one stream embeds it; all rows of unit length.

    teacher_target: what the stream shows the other one as targets; it equals `target` unless the teacher's
    image is the reference.
    """

    query: Float[Tensor, "batch dim"]
    target: Float[Tensor, "batch dim"]
    teacher_target: Float[Tensor, "batch dim"]


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
) -> StepLosses:
    """Update the CLIP stream, taught by the CNN stream, then the CNN stream, taught by the updated other.

    The CNN stream's weights do not change before its own update, so one forward of it is teacher and student.
    """
    device = batch.reference.device
    with autocast(device, bf16):
        cnn = embed_cnn(model, batch, loss.teacher_image)
        clip = embed_clip(model, batch, loss.teacher_image)
    with part("losses"):
        clip_losses = _losses(clip, cnn, batch, loss)
    _update(optimisers.clip, clip_losses, loss.mutual_weight, model.clip, clip_gradient_norm)

    with torch.no_grad(), autocast(device, bf16):
        clip = embed_clip(model, batch, loss.teacher_image)
    with part("losses"):
        cnn_losses = _losses(cnn, clip, batch, loss)
    _update(optimisers.cnn, cnn_losses, loss.mutual_weight, model.cnn, clip_gradient_norm)
    return StepLosses(*(value.detach() for value in (*cnn_losses, *clip_losses)))


def embed_cnn(model: DWC, batch: Batch, teacher_image: Literal["target", "reference"]) -> Embedded:
    """Embed a batch with the CNN stream: two backbone forwards, reference and target."""
    reference_map = model.cnn.feature_map(batch.reference)
    query = model.cnn.compose(reference_map, batch.words, batch.mask).query.embedding
    target = model.cnn.target(batch.target)
    return Embedded(query, target, target if teacher_image == "target" else model.cnn.embed(reference_map))


def embed_clip(model: DWC, batch: Batch, teacher_image: Literal["target", "reference"]) -> Embedded:
    """Embed a batch with the CLIP stream."""
    query = model.clip.query(batch.clip_reference, batch.clip_text).embedding
    target = model.clip.target(batch.clip_target)
    return Embedded(
        query, target, target if teacher_image == "target" else model.clip.target(batch.clip_reference)
    )


def _losses(
    student: Embedded, teacher: Embedded, batch: Batch, loss: LossSettings
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Contrastive and mutual loss of one stream."""
    contrastive = contrastive_loss(
        student.query,
        student.target,
        batch.labels,
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
) -> None:
    contrastive, mutual = losses
    with part("backward"):
        optimiser.zero_grad(set_to_none=True)
        (contrastive + mutual_weight * mutual).backward()
    with part("optimiser"):
        if clip_gradient_norm is not None:
            nn.utils.clip_grad_norm_(stream.parameters(), clip_gradient_norm)
        optimiser.step()
