"""The two losses of DWC, pure functions of embeddings (METHOD section 3)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

Similarity = Literal["dot", "euclidean", "gaussian"]


def contrastive_loss(
    query: Float[Tensor, "batch dim"],
    target: Float[Tensor, "batch dim"],
    labels: Int[Tensor, " batch"],
    *,
    alpha: float,
    temperature: float,
    similarity: Similarity = "dot",
    detach_soft_labels: bool = False,
) -> Float[Tensor, ""]:
    """Mixed-modality contrastive loss with soft labels (SSG).

    Y = (1 − α)·H + α·P; loss = mean over rows of −Σ Y·log softmax(q·gᵀ/τ). Rows of `query` and `target` have
    unit length; `labels` are equal where two targets are the same item.
    """
    labels_wanted = hard_labels(labels, query.dtype)
    if alpha > 0:
        soft = soft_labels(target, temperature, similarity)
        labels_wanted = (1 - alpha) * labels_wanted + alpha * (soft.detach() if detach_soft_labels else soft)
    log_probabilities = (query @ target.T / temperature).log_softmax(dim=1)
    return -(labels_wanted * log_probabilities).sum(dim=1).mean()


def hard_labels(labels: Int[Tensor, " batch"], dtype: torch.dtype) -> Float[Tensor, "batch batch"]:
    """H: which targets are the same item, rows summing to 1."""
    same = (labels[:, None] == labels[None, :]).to(dtype)
    return same / same.sum(dim=1, keepdim=True)


def soft_labels(
    target: Float[Tensor, "batch dim"], temperature: float, similarity: Similarity
) -> Float[Tensor, "batch batch"]:
    """P: softmax over the similarities among the targets.

    dot: g·gᵀ; euclidean: −‖g − g'‖; gaussian: exp(−‖g − g'‖²/2); each divided by the temperature.
    """
    dot = target @ target.T
    if similarity == "dot":
        return (dot / temperature).softmax(dim=1)
    norms = target.square().sum(dim=1)
    squared_distance = (norms[:, None] + norms[None, :] - 2 * dot).clamp(min=0.0)
    if similarity == "euclidean":
        # The root's slope is infinite at 0, where every row meets itself.
        return (-(squared_distance + 1e-12).sqrt() / temperature).softmax(dim=1)
    return ((-squared_distance / 2).exp() / temperature).softmax(dim=1)


def mutual_loss(
    query: Float[Tensor, "batch dim"],
    target: Float[Tensor, "batch dim"],
    teacher_query: Float[Tensor, "batch teacher_dim"],
    teacher_target: Float[Tensor, "batch teacher_dim"],
    *,
    scale: float = 10.0,
) -> Float[Tensor, ""]:
    """Mutual enhancement: KL(softmax(s·q'·g'ᵀ) ‖ softmax(s·q·gᵀ)), batch mean; no gradient to the teacher."""
    with torch.no_grad():
        teacher = (scale * teacher_query @ teacher_target.T).softmax(dim=1)
    student = (scale * query @ target.T).log_softmax(dim=1)
    return F.kl_div(student, teacher, reduction="batchmean")
