"""A trial of all stages on a few triplets of the data, timed, in a folder that is thrown away."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple, TypeVar

import pandas as pd
import torch
from torch import nn

from dwc.config import Adapt, Embed, Params, Train
from dwc.evaluation.encode import encode_gallery
from dwc.model.clip import FrozenClip
from dwc.model.precision import pick_device, uses_bf16
from dwc.planning.estimate import Epochs, Pace, Shape, Size
from dwc.planning.size import sample, size_of
from dwc.raw.layouts import read
from dwc.schema import RawData
from dwc.store.dataset import Store
from dwc.store.features import build_features
from dwc.tables.availability import unusable
from dwc.tables.build import Tables, build_tables
from dwc.training.batch_size import try_steps
from dwc.training.speed import peak_memory
from flows.embed import new_clip, teach_titles, teach_words
from flows.preprocess import store_tables
from flows.train import CLIP, FEATURES, STORE, new_batches, new_model, new_optimisers, new_update
from flows.validate import layout_settings

LEAST = 192  # triplets in the trial; twice a batch where that is more

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What the trial found out."""

    size: Size
    pace: Pace
    shape: Shape
    epochs: Epochs
    device: torch.device


class _Embedded(NamedTuple):
    """Seconds for one of each, the CLIP's sizes, and the peak memory so far, bytes."""

    picture: float
    text: float
    title_adapted: float
    text_learnt: float
    dim: int
    weights: int
    memory: float


class _Trained(NamedTuple):
    """Seconds for one of each, the network's weights, and the peak memory, bytes."""

    triplet: float
    picture: float
    weights: int
    memory: float


def run_trial(root: Path, params: Params, tell: Callable[[str], None]) -> Trial:
    """Read all annotations of the project in `root`, and do what every stage does on a sample of them.

    tell: is told what is tried. Nothing of the project is touched. Raises ValueError where data or weights
    are missing, as the stages would.
    """
    params = _with_whole_paths(params, root)
    tell("reading the annotations")
    raw, read_seconds = _timed(lambda: _read(params))
    batches = 2 * max(params.train.batch_size, params.embed.adapt.batch_size)
    few = sample(raw, triplets=max(LEAST, batches), seed=0)
    tell("checking pictures")
    tables, checked = _timed(lambda: _check(few, params))
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):  # the stages' places lie in it
        tell("decoding pictures")
        STORE.mkdir(parents=True)
        _, decoded = _timed(lambda: store_tables(tables, params, STORE))
        images = len(tables.images)
        tell("embedding with the CLIP")
        embedded = _embed(Store(STORE), params.embed)
        tell("training some steps")
        device = pick_device(params.train.device)
        trained = _train(Store(STORE, FEATURES), params.train, params.evaluate.batch_size, device)
    return Trial(
        size=size_of(raw, params.preprocess.caption_variants, params.train.holdout, params.evaluate.split),
        pace=Pace(
            read=read_seconds,
            picture_checked=checked / len(few.images),
            picture_decoded=decoded / images,
            picture_embedded=embedded.picture,
            text_embedded=embedded.text,
            title_adapted=embedded.title_adapted,
            text_learnt=embedded.text_learnt,
            triplet_learnt=trained.triplet,
            picture_encoded=trained.picture,
            embed_memory=embedded.memory,
            train_memory=trained.memory,
        ),
        shape=Shape(
            side=params.preprocess.resolution,
            dim=params.train.dim,
            clip_dim=embedded.dim,
            weights=trained.weights,
            clip_weights=embedded.weights,
        ),
        epochs=Epochs(
            train=params.train.epochs, adapt=params.embed.adapt.epochs, text=params.embed.adapt.text_epochs
        ),
        device=device,
    )


def _read(params: Params) -> RawData:
    data = params.data
    pairs, columns = layout_settings(data)
    return read(data.layout, data.root, data.categories, pairs=pairs, columns=columns)


def _check(few: RawData, params: Params) -> Tables:
    """The sample's tables without what cannot be used. Raises ValueError where nothing is left."""
    limit = params.validate_.max_megapixels
    tables = build_tables(few, params.data.root, max_megapixels=limit)
    images = tables.images[unusable(tables.images, limit).isna()]
    there = set(images["image_id"])
    whole = tables.triplets["reference_id"].isin(there) & tables.triplets["target_id"].isin(there)
    if not whole.any():
        raise ValueError(
            f"{params.data.root}: of {len(few.triplets)} triplets none has both pictures. `dwc check "
            f"{params.data.root}` says what is missing."
        )
    return replace(tables, images=images, triplets=tables.triplets[whole].reset_index(drop=True))


def _embed(store: Store, settings: Embed) -> _Embedded:
    """Adapt the CLIP as the stage does, save it, and embed the sample."""
    clip = new_clip(settings)
    text_learnt = _learn_words(clip, store, settings.adapt) if settings.adapt.text_epochs else 0.0
    title_adapted = _adapt(clip, store, settings.adapt) if settings.adapt.epochs else 0.0
    CLIP.mkdir(parents=True)
    clip.save(CLIP)
    pixels = torch.from_numpy(store.pixels[: settings.batch_size].copy())
    texts = list(islice(cycle(store.texts), settings.batch_size))
    picture = _repeated(lambda: clip.encode_images(pixels)) / len(pixels)
    text = _repeated(lambda: clip.encode_texts(texts)) / len(texts)
    FEATURES.mkdir(parents=True)
    build_features(
        FEATURES,
        store.pixels,
        store.texts,
        dim=clip.dim,
        encoder="trial",
        encode_images=clip.encode_images,
        encode_texts=clip.encode_texts,
        batch_size=settings.batch_size,
    )
    weights = _weights(clip.network)
    return _Embedded(picture, text, title_adapted, text_learnt, clip.dim, weights, peak_memory(clip.device))


def _learn_words(clip: FrozenClip, store: Store, settings: Adapt) -> float:
    """Seconds for a text in an epoch of learning words."""
    texts = _filled(store.texts, settings.batch_size)
    once = settings.model_copy(update={"text_epochs": 1})
    return _timed(lambda: teach_words(clip, texts, once))[1] / len(texts)


def _adapt(clip: FrozenClip, store: Store, settings: Adapt) -> float:
    """Seconds for a title in an epoch of adapting; texts stand for titles."""
    names = _filled(store.image_ids, settings.batch_size)
    titles = list(islice(cycle(store.texts), len(names)))
    titled = pd.DataFrame({"image_id": names, "title": titles})
    once = settings.model_copy(update={"epochs": 1})
    return _timed(lambda: teach_titles(clip, store, titled, once))[1] / len(names)


def _train(store: Store, settings: Train, batch_size: int, device: torch.device) -> _Trained:
    """Some steps, and a gallery encoded. Raises ValueError where a batch does not fit."""
    bf16 = uses_bf16(settings.precision, device)
    model = new_model(settings, store, device).train()
    learnt = store.triplets[store.triplets["target"] >= 0].reset_index(drop=True)
    learnt = learnt.iloc[list(islice(cycle(range(len(learnt))), 2 * settings.batch_size))]
    trial = try_steps(
        new_batches(settings, settings.batch_size, store, learnt.reset_index(drop=True), device),
        model,
        new_optimisers(model, settings),
        new_update(settings, bf16),
        settings.batch_size,
    )
    if trial.triplets_per_second is None or trial.memory is None:
        raise ValueError(
            f"train.batch_size = {settings.batch_size} does not fit into this GPU. Lower it, or "
            "train.augment.side."
        )
    model.eval()
    rows = store.rows(store.image_ids)[: 2 * batch_size]
    encode = _repeated(lambda: encode_gallery(model, store, rows, batch_size=batch_size, bf16=bf16))
    return _Trained(1 / trial.triplets_per_second, encode / len(rows), _weights(model), trial.memory)


def _with_whole_paths(params: Params, root: Path) -> Params:
    """The parameters with paths that hold from anywhere."""
    embed, cnn = params.embed, params.train.cnn
    data = params.data.model_copy(update={"root": root / params.data.root})
    files = {name: _whole(getattr(embed, name), root) for name in ("architecture", "weights", "weights_file")}
    weights = cnn.model_copy(update={"weights": _whole(cnn.weights, root)})
    train = params.train.model_copy(update={"cnn": weights})
    return params.model_copy(update={"data": data, "embed": embed.model_copy(update=files), "train": train})


def _whole(name: T, root: Path) -> T:
    """A name as it is, or if it is a file of the project, as its whole path in the same type."""
    if isinstance(name, str | Path) and (root / name).is_file():
        return type(name)(root / name)
    return name


def _filled(items: Sequence[T], batch_size: int) -> list[T]:
    """Two batches at least, by repetition where there are fewer."""
    return list(islice(cycle(items), max(len(items), 2 * batch_size)))


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    started = time.perf_counter()
    result = work()
    return result, time.perf_counter() - started


def _repeated(work: Callable[[], object]) -> float:
    """Seconds of the second time: the first prepares what later ones use."""
    work()
    return _timed(work)[1]


def _weights(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.state_dict().values())
