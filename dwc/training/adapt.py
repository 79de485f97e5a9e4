"""Contrastive training of a CLIP on the catalogue's own titles, before it is frozen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Int
from open_clip.loss import ClipLoss
from torch import Tensor, nn

from dwc.model.clip import FrozenClip
from dwc.model.precision import autocast
from dwc.store.pixels import AllPixels
from dwc.training.augment import random_view
from dwc.training.optimiser import learning_rate_factor, set_learning_rate
from dwc.training.words import text_tower


def titled_training_images(images: pd.DataFrame) -> pd.DataFrame:
    """The rows of the images' table that a CLIP may learn titles from: in training, in no other list."""
    training = images["galleries"].map(lambda names: any(name.endswith(".train") for name in names))
    elsewhere = images["galleries"].map(lambda names: any(not name.endswith(".train") for name in names))
    return images[training & ~elsewhere & images["title"].notna()]


def adapt_clip(
    clip: FrozenClip,
    pixels: AllPixels,
    rows: Int[np.ndarray, " titled"],
    titles: Sequence[str],
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    text_learning_rate_factor: float,
    weight_decay: float,
    warmup: float,
    crop_scale: float,
    rotation: float,
    word_dropout: float,
    seed: int,
    bf16: bool,
    progress: Callable[[int, int, Mapping[str, float]], None] | None = None,
) -> list[dict[str, float]]:
    """Train `clip` in place on (image row, title) pairs with open_clip's loss; return each epoch's mean loss.

    text_learning_rate_factor: share of the learning rate for the text tower's weights below its projection.
    Images are cropped, turned and mirrored at random and words of titles left out: few pairs go a long way.
    """
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    network, loss = clip.network, ClipLoss()
    optimiser = torch.optim.AdamW(
        _parameter_groups(network, text_learning_rate_factor),
        lr=learning_rate,
        betas=(0.9, 0.98),
        weight_decay=weight_decay,
        fused=True,
    )
    per_epoch = max(1, len(rows) // batch_size)
    history: list[dict[str, float]] = []
    network.train()
    for epoch in range(epochs):
        order, total = random.permutation(len(rows)), 0.0
        for number in range(per_epoch):
            step = epoch * per_epoch + number
            factor = learning_rate_factor(step, epochs * per_epoch, schedule="cosine", warmup=warmup)
            set_learning_rate(optimiser, learning_rate * factor)
            picked = order[number * batch_size : (number + 1) * batch_size]
            tokens = clip.tokenize([_drop_words(titles[item], word_dropout, random) for item in picked])
            with autocast(clip.device, bf16):
                images = _augment(clip, pixels[rows[picked]], crop_scale, rotation, random)
                value = loss(*network(images, tokens.to(clip.device)))
            optimiser.zero_grad(set_to_none=True)
            value.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            with torch.no_grad():
                network.logit_scale.clamp_(0, float(np.log(100)))  # type: ignore[operator]
            latest = value.item()
            total += latest
            if progress:
                progress(step + 1, epochs * per_epoch, {"loss": latest})
        history.append({"epoch": epoch + 1, "loss": total / per_epoch})
    network.eval()
    return history


def _parameter_groups(network: nn.Module, text_factor: float) -> list[dict[str, Any]]:
    """The rest, and the text tower below its projection; each with its `factor` of the learning rate."""
    projection = getattr(network, "text_projection", None)
    slow = {id(weight): weight for weight in text_tower(network) if weight is not projection}
    fast = [weight for weight in network.parameters() if id(weight) not in slow]
    return [{"params": fast, "factor": 1.0}, {"params": list(slow.values()), "factor": text_factor}]


def _augment(
    clip: FrozenClip, pixels: np.ndarray, crop_scale: float, rotation: float, random: np.random.Generator
) -> Tensor:
    mirrored = random.random(len(pixels)) < 0.5
    batch = torch.from_numpy(np.where(mirrored[:, None, None, None], pixels[:, :, ::-1], pixels))
    generator = torch.Generator().manual_seed(int(random.integers(2**63)))
    images = clip.images(batch.to(clip.device))
    return random_view(images, smallest_area=crop_scale, rotation=rotation, generator=generator)


def _drop_words(title: str, share: float, random: np.random.Generator) -> str:
    words = title.split()
    kept = [word for word in words if random.random() >= share]
    return " ".join(kept or words)
