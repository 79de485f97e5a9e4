"""The whole pipeline on a few of the data, in a folder of its own: what everything takes on this machine.

The code that is timed is the stages' own. Weights start at random, whatever the parameters say: they decide
what is learnt, not how long it takes.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch

import dwc
from dwc.config import Params
from dwc.evaluation.encode import encode_gallery, encode_queries
from dwc.evaluation.recall import rank
from dwc.model.clip import FrozenClip
from dwc.model.precision import pick_device, uses_bf16
from dwc.schema import DRAW, RawData
from dwc.store.build import build_store
from dwc.store.dataset import Store
from dwc.store.features import build_features
from dwc.store.texts import clean, variants
from dwc.store.vocabulary import Vocabulary
from dwc.tables.build import Tables, build_tables, save_tables
from dwc.tables.checks import run_checks
from dwc.training.adapt import adapt_clip
from dwc.training.batch_size import try_steps
from dwc.training.checkpoint import Checkpoints
from dwc.training.speed import peak_memory
from dwc.training.start import training_triplets
from dwc.training.words import learn_words
from flows.challenger import searchable
from flows.embed import titled_training_images
from flows.forecast import Counts, Paces, Sizes
from flows.train import new_batches, new_model, new_optimisers, new_update

QUERIES = 64  # of the sample, and in the search that is timed
ADAPT_STEPS = 4
SEARCHED = 20_000  # images at most, in the search that is timed

R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """What was counted and measured, on so many pictures, in so many seconds."""

    counts: Counts
    paces: Paces
    sizes: Sizes
    pictures: int
    seconds: float


def rehearse(params: Params, raw: RawData, folder: Path) -> Rehearsal:
    """Measure everything. `folder` is empty, and the caller removes it.

    Raises ValueError where the data have no training triplets with pictures.
    """
    started = time.perf_counter()
    vocabulary, texts = _language(params, raw.triplets)
    counts = _counts(params, raw, texts)
    sample = _sample(params, raw)
    tables, scan = _timed(build_tables, sample, params.data.root, max_megapixels=_megapixels(params))
    tables = _readable(tables)
    _, checks = _timed(_check, params, tables)
    for name in ("store", "clip", "features", "tables"):
        (folder / name).mkdir()
    _, decode = _timed(_build_store, params, tables, folder / "store")
    clip, embedding = _embed(params, tables, Store(folder / "store"), folder)
    store = Store(folder / "store", folder / "features")
    model, training = _train(params, store, folder, len(vocabulary), counts)
    save_tables(tables, folder / "tables")
    written = sum(_size(place) for place in (folder / "tables", folder / "store"))
    share = len(raw.triplets) / len(tables.triplets)
    pictures = len(tables.images)
    paces = Paces(scan=scan / pictures, checks=checks, decode=decode / pictures, **embedding, **training)
    sizes = Sizes(
        row_pixels=int(store.pixels[0].nbytes),
        clip_dim=clip.dim,
        clip=_size(folder / "clip"),
        weights=sum(value.nbytes for value in model.state_dict().values()),
        dim=params.train.dim,
        tables=int(share * (written - store.pixels.nbytes)),
        code=_size(Path(dwc.__file__).parent),
        memory=int(peak_memory(torch.device("cpu"))),
    )
    return Rehearsal(
        counts=counts, paces=paces, sizes=sizes, pictures=pictures, seconds=time.perf_counter() - started
    )


def _language(params: Params, triplets: pd.DataFrame) -> tuple[Vocabulary, int]:
    """The vocabulary, and how many different texts the store will hold."""
    settings, training = params.preprocess, triplets["split"].eq("train").tolist()
    captions = [clean(row) for row in triplets["captions"]]
    learnt = [row for row, used in zip(captions, training, strict=True) if used]
    vocabulary = Vocabulary.build((text for row in learnt for text in row), min_count=settings.min_word_count)
    shown = {
        text
        for row, used in zip(captions, training, strict=True)
        for text in variants(row, settings.caption_variants if used else "joined")
    }
    return vocabulary, len(shown)


def _counts(params: Params, raw: RawData, texts: int) -> Counts:
    triplets, train = raw.triplets, params.train
    known = triplets[triplets["target_id"].notna()]
    training, others = known[known["split"] == "train"], known[known["split"] != "train"]
    held = others if train.select == "evaluation" else training.sample(frac=train.holdout, random_state=0)
    drawings = int(training[DRAW].nunique()) if DRAW in training else 1
    kept_back = 0 if train.select == "evaluation" else len(held)
    adapts = params.embed.adapt.epochs or params.embed.adapt.text_epochs
    titled = len(titled_training_images(raw.images)) if adapts else 0
    return Counts(
        images=len(raw.images),
        texts=texts,
        learnt=(len(training) - kept_back) // drawings,
        titled=titled,
        titles_and_texts=titled + texts,
        held=len(held) // drawings,
        held_images=len(np.unique(held[["reference_id", "target_id"]].to_numpy().astype(str))),
        gallery=len(searchable(raw.images)),
        queries=int((known["split"] == params.evaluate.split).sum()),
    )


def _sample(params: Params, raw: RawData) -> RawData:
    """Triplets for a training batch and some queries, with their images, and titled images for the CLIP's."""
    there = set(raw.images.loc[raw.images["path"].notna(), "image_id"])
    triplets = raw.triplets
    usable = triplets[triplets["reference_id"].isin(there) & triplets["target_id"].isin(there)]
    training, others = usable[usable["split"] == "train"], usable[usable["split"] != "train"]
    if training.empty:
        raise ValueError(f"{params.data.root}: no training triplet has pictures, so nothing can be measured.")
    wanted = max(params.train.batch_size, QUERIES // 2)
    some = [
        part.sample(min(size, len(part)), random_state=0)
        for part, size in ((training, wanted), (others, QUERIES))
    ]
    chosen = pd.concat(some, ignore_index=True)
    ids = {*chosen["reference_id"], *chosen["target_id"]}
    if params.embed.adapt.epochs or params.embed.adapt.text_epochs:
        titled = titled_training_images(raw.images[raw.images["image_id"].isin(there)])
        ids |= set(titled["image_id"].head(params.embed.adapt.batch_size))
    images = raw.images[raw.images["image_id"].isin(ids)].reset_index(drop=True)
    return RawData(images=images, triplets=chosen)


def _readable(tables: Tables) -> Tables:
    """Without pictures that cannot be decoded, and their triplets."""
    images = tables.images[tables.images["problem"].isna()].reset_index(drop=True)
    ids, triplets = set(images["image_id"]), tables.triplets
    kept = triplets[triplets["reference_id"].isin(ids) & triplets["target_id"].isin(ids)]
    return Tables(images=images, triplets=kept.reset_index(drop=True), relevant={}, noise={})


def _check(params: Params, tables: Tables) -> None:
    rules = params.validate_
    run_checks(
        tables,
        dataset=params.data.name,
        min_side=rules.min_side,
        max_megapixels=rules.max_megapixels,
        min_caption_words=rules.min_caption_words,
        missing_images=rules.missing_images,
        exclude_eval_images=rules.exclude_eval_images,
    )


def _build_store(params: Params, tables: Tables, folder: Path) -> None:
    settings = params.preprocess
    build_store(
        tables.images,
        tables.triplets,
        params.data.root,
        folder,
        resolution=settings.resolution,
        min_word_count=settings.min_word_count,
        caption_variants=settings.caption_variants,
        caption_joining=settings.caption_joining,
        max_megapixels=_megapixels(params),
    )


def _embed(params: Params, tables: Tables, store: Store, folder: Path) -> tuple[FrozenClip, dict[str, float]]:
    settings, adapt = params.embed, params.embed.adapt
    clip = FrozenClip.create(settings.architecture, None, pick_device("auto"))
    bf16 = uses_bf16("auto", clip.device)
    word_step = adapt_step = 0.0
    common = adapt.model_dump(include={"learning_rate", "weight_decay", "warmup", "seed"}) | {"bf16": bf16}
    if adapt.text_epochs:
        size = min(adapt.batch_size, len(store.texts))
        clock = _Clock()
        learn_words(clip, store.texts, epochs=ADAPT_STEPS, batch_size=size, progress=clock, **common)
        word_step = clock.pace() * adapt.batch_size / size
    if adapt.epochs:
        titled = titled_training_images(tables.images).head(adapt.batch_size)
        clock = _Clock()
        adapt_clip(
            clip,
            store.pixels,
            store.rows(titled["image_id"].tolist()),
            titled["title"].tolist(),
            **adapt.model_dump(exclude={"text_epochs", "epochs", "batch_size"}),
            epochs=ADAPT_STEPS,
            batch_size=len(titled),
            bf16=bf16,
            progress=clock,
        )
        adapt_step = clock.pace() * adapt.batch_size / len(titled)
    clip.save(folder / "clip")
    clock = _Clock()
    build_features(
        folder / "features",
        store.pixels,
        store.texts,
        dim=clip.dim,
        encoder="rehearsal",
        encode_images=clip.encode_images,
        encode_texts=clip.encode_texts,
        batch_size=settings.batch_size,
        progress=clock,
    )
    images = clock.until(len(store.pixels))
    paces = {
        "word_step": word_step,
        "adapt_step": adapt_step,
        "embed_image": images / len(store.pixels),
        "embed_text": (clock.until(len(store.pixels) + len(store.texts)) - images) / len(store.texts),
    }
    return clip, paces


def _train(
    params: Params, store: Store, folder: Path, words: int, counts: Counts
) -> tuple[torch.nn.Module, dict[str, float]]:
    settings = params.train.model_copy(
        update={"cnn": params.train.cnn.model_copy(update={"weights": None}), "pixels": "disk"}
    )
    device = pick_device(settings.device)
    bf16 = uses_bf16(settings.precision, device)
    model = new_model(settings, store, device, words=words, clip=folder / "clip").train()
    learnt = training_triplets(store).drop(columns=DRAW, errors="ignore")
    size = min(settings.batch_size, len(learnt))
    optimisers = new_optimisers(model, settings)
    trial = try_steps(
        new_batches(settings, size, store, learnt, device),
        model,
        optimisers,
        new_update(settings, bf16),
        size,
    )
    if trial.triplets_per_second is None:
        raise ValueError(
            f"train.batch_size = {settings.batch_size} does not fit on {device}. `dwc batch-size` finds one."
        )
    checkpoints = Checkpoints(folder / "checkpoints", "rehearsal")
    _, saving = _timed(checkpoints.save_last, model, optimisers, [])
    _, best = _timed(checkpoints.save_best, model)
    model.eval()
    rows = np.arange(len(store.pixels))
    options: dict[str, Any] = {"batch_size": settings.batch_size, "bf16": bf16}
    _, images = _timed(encode_gallery, model, store, rows, **options)
    asked = store.triplets[store.triplets["target"] >= 0]
    _, queries = _timed(encode_queries, model, store, asked, **options)
    return model, {
        "train_step": settings.batch_size / trial.triplets_per_second,
        "encode_image": images / len(rows),
        "encode_query": queries / len(asked),
        "save": saving + best,
        "search": _search(2 * settings.dim, counts.gallery, params.evaluate.top),
    }


def _search(dim: int, gallery: int, top: int) -> float:
    """Seconds of one query through the gallery."""
    searched = min(gallery, SEARCHED)
    images, asked = torch.rand(searched, dim), torch.rand(QUERIES, dim)
    nothing = torch.full((QUERIES,), -1)
    _, seconds = _timed(
        rank, asked, images, labels=torch.arange(searched), target_labels=nothing + 1, masked=nothing, top=top
    )
    return seconds / QUERIES * gallery / searched


class _Clock:
    """A progress callback that notes when it was called."""

    def __init__(self) -> None:
        self._calls = [(0, time.perf_counter())]

    def __call__(self, done: int, total: int, *_: object) -> None:
        self._calls.append((done, time.perf_counter()))

    def pace(self) -> float:
        """Median seconds between two calls, but for the first, which warms up."""
        times = [moment for _, moment in self._calls[1:]]
        return statistics.median(np.diff(times)) if len(times) > 1 else times[0] - self._calls[0][1]

    def until(self, done: int) -> float:
        """Seconds until so many were done."""
        return next(moment for number, moment in self._calls if number >= done) - self._calls[0][1]


def _timed(work: Callable[..., R], /, *args: Any, **kwargs: Any) -> tuple[R, float]:
    started = time.perf_counter()
    return work(*args, **kwargs), time.perf_counter() - started


def _megapixels(params: Params) -> float:
    return params.validate_.max_megapixels


def _size(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and file.suffix != ".pyc")
