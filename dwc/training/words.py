"""Teaching a text tower the words of the catalogue's language, before it is aligned with images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from dwc.model.clip import FrozenClip
from dwc.model.precision import autocast
from dwc.training.optimiser import learning_rate_factor, set_learning_rate


def learn_words(
    clip: FrozenClip,
    texts: Sequence[str],
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    weight_decay: float,
    warmup: float,
    seed: int,
    bf16: bool,
    progress: Callable[[int, int, Mapping[str, float]], None] | None = None,
) -> float:
    """Train the text tower of `clip` in place to keep the words of each text; return the last mean loss.

    A linear layer, thrown away afterwards, must tell from a text's embedding which tokens the text consists
    of: −Σ over its tokens of log softmax, divided by their number. The tower cannot learn from image and
    title alone that it must keep words such as "longer" or "instead", which no title contains; a CLIP that
    was pretrained on the web knows them. Raises ValueError where the texts do not fill one batch.
    """
    if len(texts) < batch_size:
        raise ValueError(
            f"embed.adapt.text_epochs: {len(texts)} training texts do not fill a batch of {batch_size}. "
            "Lower embed.adapt.batch_size, or set embed.adapt.text_epochs to 0."
        )
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    tokens = clip.tokenize(texts)
    columns = _columns(tokens)
    head = nn.Linear(clip.dim, int(columns.max()) + 1, device=clip.device)
    weights = [*text_tower(clip.network), *head.parameters()]
    optimiser = torch.optim.AdamW(
        weights, lr=learning_rate, betas=(0.9, 0.98), weight_decay=weight_decay, fused=True
    )
    per_epoch = len(texts) // batch_size
    losses: list[float] = []
    for step in range(epochs * per_epoch):
        if step % per_epoch == 0:
            order, losses = torch.from_numpy(random.permutation(len(texts))), []
        factor = learning_rate_factor(step, epochs * per_epoch, schedule="cosine", warmup=warmup)
        set_learning_rate(optimiser, learning_rate * factor)
        start = step % per_epoch * batch_size
        picked = tokens[order[start : start + batch_size]]
        present = _present(picked, columns).to(clip.device)
        with autocast(clip.device, bf16):
            logits = head(clip.network.encode_text(picked.to(clip.device)))  # type: ignore[operator]
        loss = words_loss(logits.float(), present)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        losses.append(loss.item())
        if progress:
            progress(step + 1, epochs * per_epoch, {"loss": losses[-1]})
    return float(np.mean(losses))


def words_loss(
    logits: Float[Tensor, "batch tokens"], present: Bool[Tensor, "batch tokens"]
) -> Float[Tensor, ""]:
    """Cross entropy between softmax(logits) and the even distribution over the tokens present, batch mean."""
    wanted = present / present.sum(1, keepdim=True).clamp(min=1)
    return -(wanted * logits.log_softmax(1)).sum(1).mean()


def text_tower(network: nn.Module) -> list[nn.Parameter]:
    """Parameters of an open_clip network's text side, its final projection included."""
    return [
        weight
        for name, weight in network.named_parameters()
        if not name.startswith("visual.") and name not in ("logit_scale", "logit_bias")
    ]


def _columns(tokens: Int[Tensor, "texts context"]) -> Int[Tensor, " vocabulary"]:
    """Column of each token id; -1 for ids in no text, and for those in every text (padding, start, end)."""
    used = [torch.unique(row) for row in tokens]
    counts = torch.bincount(torch.cat(used), minlength=int(tokens.max()) + 1)
    telling = (counts > 0) & (counts < len(tokens))
    return torch.where(telling, telling.cumsum(0) - 1, -1)


def _present(
    tokens: Int[Tensor, "batch context"], columns: Int[Tensor, " vocabulary"]
) -> Bool[Tensor, "batch tokens"]:
    places = columns[tokens]
    present = torch.zeros(len(tokens), int(columns.max()) + 2, dtype=torch.bool)
    return present.scatter_(1, places + 1, True)[:, 1:]  # column 0 collects what has no column
