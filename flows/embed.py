"""The embed stage: the frozen CLIP, adapted to the catalogue where wanted, and its features of everything."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path

import pandas as pd
import torch
from prefect import flow

from dwc.config import Adapt, Embed
from dwc.files import atomic_file, atomic_folder, resumable_folder
from dwc.model.clip import FrozenClip, weights_digest
from dwc.model.precision import pick_device, uses_bf16
from dwc.store.dataset import Store
from dwc.store.features import FeatureShard, Rows, Spread, build_features, embed_shard
from dwc.store.pixels import PIXELS
from dwc.tables.build import load_tables
from dwc.training.adapt import adapt_clip, titled_training_images
from dwc.training.start import training_triplets
from dwc.training.words import learn_words
from flows.accelerator import gpu
from flows.cluster import spread
from flows.progress import StepProgress
from flows.stage import BUILD, Stage, stage

STORE = BUILD / "store"
CLIP = BUILD / "clip"
FEATURES = BUILD / "features"
CURVE = BUILD / "curves" / "adapt.csv"


@flow(name="embed")
@stage("embed")
def embed(stage: Stage) -> None:
    """Build the CLIP and compute its embeddings of every picture, its mirror image and every text."""
    settings = stage.params.embed
    store = stage.step("Open store", Store, STORE)
    with gpu():
        clip = stage.step("Build CLIP", new_clip, settings)
        history: list[dict[str, float]] = []
        adapt = settings.adapt
        if adapt.text_epochs or adapt.epochs:
            titled = _titled(load_tables(BUILD / "tables").images)
        if adapt.text_epochs:
            texts = [*titled["title"], *_training_texts(store)]
            stage.step("Learn words", teach_words, clip, texts, adapt, stage.progress("text steps"))
        if adapt.epochs:
            report = stage.progress("adapting steps")
            history = stage.step("Adapt CLIP to titles", teach_titles, clip, store, titled, adapt, report)
        _save_clip(clip)
        embedded = stage.step(
            "Embed", _embed, clip, store, settings.batch_size, stage.progress("pictures and texts")
        )
    _save_curve(history)
    stage.run.log_metrics(
        {
            "clip_dim": clip.dim,
            "images": len(store.image_ids),
            "embedded": embedded,
            "texts": len(store.texts),
        }
    )
    for row in history:
        stage.run.log_metrics({"adapt.loss": row["loss"]}, step=int(row["epoch"]))
    stage.summary(
        f"{settings.architecture}: {clip.dim} dimensions; {len(store.image_ids):,} pictures, "
        f"each also mirrored, and {len(store.texts):,} texts."
    )


def new_clip(settings: Embed) -> FrozenClip:
    """The CLIP that the parameters name, not yet adapted."""
    torch.manual_seed(settings.adapt.seed)  # for weights that start at random
    return FrozenClip.create(
        settings.architecture, settings.weights, pick_device("auto"), weights_file=settings.weights_file
    )


def teach_words(
    clip: FrozenClip, texts: Sequence[str], settings: Adapt, progress: StepProgress | None = None
) -> float:
    """Let the text tower learn to keep words, `text_epochs` long; returns the last mean loss."""
    return learn_words(
        clip,
        texts,
        epochs=settings.text_epochs,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        warmup=settings.warmup,
        seed=settings.seed,
        bf16=uses_bf16("auto", clip.device),
        progress=progress,
    )


def teach_titles(
    clip: FrozenClip,
    store: Store,
    titled: pd.DataFrame,
    settings: Adapt,
    progress: StepProgress | None = None,
) -> list[dict[str, float]]:
    """Adapt the CLIP, `epochs` long, to images with `image_id` and `title`; returns each epoch's loss."""
    return adapt_clip(
        clip,
        store.pixels,
        store.rows(titled["image_id"].tolist()),
        titled["title"].tolist(),
        **settings.model_dump(exclude={"text_epochs"}),
        bf16=uses_bf16("auto", clip.device),
        progress=progress,
    )


def _training_texts(store: Store) -> list[str]:
    rows = sorted({row for texts in training_triplets(store)["texts"] for row in texts})
    return [store.texts[row] for row in rows]


def _titled(images: pd.DataFrame) -> pd.DataFrame:
    titled = titled_training_images(images)
    if titled.empty:
        raise ValueError(
            "embed.adapt.epochs: no training image has a title to adapt the CLIP to. "
            "Set embed.adapt.epochs to 0, or supply titles (docs/data.md)."
        )
    return titled


def _save_clip(clip: FrozenClip) -> None:
    with atomic_folder(CLIP) as folder:
        clip.save(folder)


def _embed(clip: FrozenClip, store: Store, batch_size: int, progress: StepProgress) -> int:
    encoder = weights_digest(CLIP)
    with resumable_folder(FEATURES) as folder:
        return build_features(
            folder,
            store.pixels,
            store.texts,
            dim=clip.dim,
            encoder=encoder,
            earlier=FEATURES,
            encode_images=clip.encode_images,
            encode_texts=clip.encode_texts,
            batch_size=batch_size,
            pixels_file=STORE / PIXELS,
            spread=_spread(encoder),
            progress=progress,
        )


def _spread(encoder: str) -> Spread | None:
    """How shards are embedded by the workers of a cluster; None where there is none."""
    elsewhere = spread()
    if elsewhere is None:
        return None
    work = partial(embed_elsewhere, folder=CLIP.resolve(), encoder=encoder)
    return lambda shards: elsewhere(work, shards)


def embed_elsewhere(shard: FeatureShard, *, folder: Path, encoder: str) -> list[Rows | None]:
    """Embed a shard on a worker, with the CLIP that the stage has saved. Raises ValueError for another."""
    clip = _clip(folder, encoder)
    return embed_shard(
        shard, encoder=encoder, encode_images=clip.encode_images, encode_texts=clip.encode_texts
    )


@lru_cache(maxsize=1)
def _clip(folder: Path, encoder: str) -> FrozenClip:
    if weights_digest(folder) != encoder:
        raise ValueError(f"{folder}: a worker of the cluster sees another CLIP there than the stage.")
    return FrozenClip.load(folder, pick_device("auto"))


def _save_curve(history: list[dict[str, float]]) -> None:
    """One row per epoch; only the heading where the CLIP was taken as it is."""
    with atomic_file(CURVE) as file:
        pd.DataFrame(history, columns=["epoch", "loss"]).astype({"epoch": int}).to_csv(file, index=False)
