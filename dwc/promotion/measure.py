"""A serving package measured on a catalogue as it is now, whatever it was trained on.

What is measured is what would be served: the package's own weights, CLIP, vocabulary and resolution, on the
pictures and queries of the current tables. The evaluate stage's figures of the same model are the same.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import pandas as pd
import torch
from jaxtyping import Int
from safetensors import SafetensorError

from dwc.config import Params
from dwc.evaluation.asked import asked_protocol
from dwc.evaluation.bootstrap import Resampling
from dwc.evaluation.encode import encode_gallery, encode_queries
from dwc.evaluation.evaluate import Evaluation, evaluate
from dwc.evaluation.gaps import with_left_out
from dwc.evaluation.protocols import (
    Protocol,
    SearchTask,
    Selection,
    all_gallery_rows,
    all_triplets,
    search_tasks,
)
from dwc.model.bundle import load_bundle
from dwc.model.clip import FrozenClip
from dwc.model.dwc import DWC
from dwc.model.precision import pick_device, uses_bf16
from dwc.promotion.view import StoreView
from dwc.registry.chain import version_chain
from dwc.serving.package import read_about
from dwc.store.dataset import Embeddings, Store
from dwc.store.pixels import AllPixels, build_pixels, open_pixels
from dwc.store.texts import CaptionJoining, clean, sentence
from dwc.store.vocabulary import AND, Vocabulary
from dwc.tables.build import Tables, load_tables

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """The data a model is measured on: validated tables, their store, the folder of the raw pictures."""

    tables: Tables
    store: Store
    root: Path
    max_megapixels: float = 100.0

    @classmethod
    def open(cls, build: Path, root: Path, max_megapixels: float) -> Catalogue:
        """What the pipeline has built. Raises ValueError naming the stage to run where it has not."""
        if not (build / "tables" / "images.parquet").is_file():
            raise ValueError(f"{build / 'tables'} holds no tables. Run the pipeline first (`dvc repro`).")
        store = Store(build / "store")
        return cls(
            tables=load_tables(build / "tables"), store=store, root=root, max_megapixels=max_megapixels
        )


@dataclass(frozen=True, kw_only=True)
class Measuring:
    """How a package is measured; what of the protocol the package itself decides is put in when it is."""

    protocol: Protocol
    recall_at: Sequence[int]
    primary_metric: str
    batch_size: int
    resampling: Resampling

    @classmethod
    def by(cls, params: Params) -> Measuring:
        """As the evaluate stage measures."""
        settings = params.evaluate
        return cls(
            protocol=asked_protocol(params, "best"),
            recall_at=settings.recall_at,
            primary_metric=settings.primary_metric,
            batch_size=settings.batch_size,
            resampling=Resampling(**settings.bootstrap.model_dump()),
        )


def epoch_selection(uri: str) -> Selection:
    """How a version's training chose its epoch, which is part of the protocol.

    Raises ValueError where there is no such version, or the run that says so was deleted.
    """
    params = version_chain(uri).train.params
    if "train.select" not in params:
        raise ValueError(
            f"{uri}: its train run was deleted, so nobody knows whether its epoch was chosen on the very "
            "queries that it would be measured on."
        )
    return cast(Selection, params["train.select"])


def measure_package(
    package: Path,
    catalogue: Catalogue,
    measuring: Measuring,
    *,
    selection: Selection,
    progress: Progress | None = None,
) -> Evaluation:
    """Let every query search its gallery with the package's model; progress counts pictures and queries.

    selection: how its epoch was chosen (`epoch_selection`). Raises ValueError where the package cannot be
    read or the catalogue holds nothing to search for.
    """
    parts = _load(package)
    joining: CaptionJoining = "and_token" if AND in parts.vocabulary.words else "and_word"
    protocol = replace(measuring.protocol, selection=selection, caption_joining=joining)
    with tempfile.TemporaryDirectory(prefix="dwc-measure-") as scratch:
        view, tasks = _seen_by(parts, catalogue, protocol, measuring.batch_size, Path(scratch), progress)
        bf16 = uses_bf16("auto", parts.clip.device)
        size = measuring.batch_size
        return evaluate(
            tasks,
            view,
            encode_gallery(parts.model, view, all_gallery_rows(tasks), batch_size=size, bf16=bf16),
            encode_queries(parts.model, view, all_triplets(tasks), batch_size=size, bf16=bf16),
            protocol=protocol,
            relevant=catalogue.tables.relevant,
            recall_at=measuring.recall_at,
            primary_metric=measuring.primary_metric,
            resampling=measuring.resampling,
            left_out=catalogue.tables.left_out.triplets,
        )


class _Parts(NamedTuple):
    """What of a package makes its answers."""

    model: DWC
    clip: FrozenClip
    vocabulary: Vocabulary
    resolution: int


def _load(package: Path) -> _Parts:
    device = pick_device("auto")
    try:
        return _Parts(
            model=load_bundle(package / "model", device),
            clip=FrozenClip.load(package / "clip", device),
            vocabulary=Vocabulary.load(package / "model" / "vocabulary.json"),
            resolution=int(read_about(package)["resolution"]),
        )
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ValueError(f"the serving package cannot be read: {reason}") from error


def _seen_by(
    parts: _Parts,
    catalogue: Catalogue,
    protocol: Protocol,
    batch_size: int,
    scratch: Path,
    progress: Progress | None,
) -> tuple[StoreView, list[SearchTask]]:
    """The catalogue through the package's vocabulary and CLIP, and what is searched in it."""
    store = catalogue.store
    triplets, captions = _queries(catalogue, protocol)
    listed = with_left_out(catalogue.tables.images, catalogue.tables.left_out.images)
    tasks = search_tasks(listed, triplets, store.image_ids, protocol)
    pixels = _pixels(catalogue, parts.resolution, scratch)
    rows = np.union1d(all_gallery_rows(tasks), triplets["reference"].to_numpy(np.int64))
    texts = [sentence(words) for words in captions]
    total = len(rows) + len(texts)
    view = StoreView(
        store,
        triplets=triplets,
        texts=texts,
        words=[parts.vocabulary.encode(words) for words in captions],
        pixels=pixels,
        clip_images=_image_features(
            parts.clip, pixels, rows, batch_size, lambda done: progress and progress(done, total)
        ),
        clip_texts=_text_features(
            parts.clip,
            texts,
            batch_size,
            lambda done: progress and progress(len(rows) + done, total),
        ),
    )
    return view, tasks


def _queries(catalogue: Catalogue, protocol: Protocol) -> tuple[pd.DataFrame, list[tuple[str, ...]]]:
    """The store's triplets of the split with one text each, and the captions of those texts."""
    triplets = catalogue.store.triplets
    triplets = triplets[triplets["split"] == protocol.split].reset_index(drop=True)
    by_id = catalogue.tables.triplets.set_index("triplet_id")["captions"]
    captions = [clean(row) for row in by_id.loc[triplets["triplet_id"]]]
    return triplets.assign(texts=pd.Series([[row] for row in range(len(triplets))], dtype=object)), captions


def _pixels(catalogue: Catalogue, resolution: int, scratch: Path) -> AllPixels:
    """The stored pixels where they have the model's resolution; otherwise the raw pictures decoded anew."""
    if catalogue.store.side == resolution:
        return catalogue.store.pixels
    paths = catalogue.tables.images.set_index("image_id")["path"]
    files = [catalogue.root / paths[image_id] for image_id in catalogue.store.image_ids]
    build_pixels(files, scratch / "pixels.npy", resolution, max_megapixels=catalogue.max_megapixels)
    return open_pixels(scratch / "pixels.npy")


def _image_features(
    clip: FrozenClip,
    pixels: AllPixels,
    rows: Int[np.ndarray, " images"],
    batch_size: int,
    done: Callable[[int], object],
) -> Embeddings:
    """Embeddings under the store's row numbers; rows that no query needs stay zero and cost no memory."""
    features = np.zeros((len(pixels), clip.dim), dtype=np.float32)
    for start in range(0, len(rows), batch_size):
        batch = rows[start : start + batch_size]
        features[batch] = clip.encode_images(torch.from_numpy(np.asarray(pixels[batch]))).cpu().numpy()
        done(start + len(batch))
    return features


def _text_features(
    clip: FrozenClip, texts: Sequence[str], batch_size: int, done: Callable[[int], object]
) -> Embeddings:
    features = np.zeros((len(texts), clip.dim), dtype=np.float32)
    for start in range(0, len(texts), batch_size):
        batch = texts[start : start + batch_size]
        features[start : start + len(batch)] = clip.encode_texts(batch).cpu().numpy()
        done(start + len(batch))
    return features
