"""A real model, CLIP, store and serving package, small enough to build in a second or two."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch

from dwc.evaluation.encode import encode_gallery
from dwc.model.bundle import save_bundle
from dwc.model.clip import FrozenClip
from dwc.model.dwc import DWC, ModelConfig
from dwc.serving.package import Gallery, build_package
from dwc.store.build import build_store
from dwc.store.dataset import Store
from dwc.store.features import build_features
from dwc.store.vocabulary import Vocabulary
from tests.catalogue import draw

RESOLUTION = 32
CLIP = {
    "embed_dim": 24,
    "vision_cfg": {
        "image_size": RESOLUTION,
        "timm_model_name": "resnet18",
        "timm_model_pretrained": False,
        "timm_pool": "avg",
        "timm_proj": "linear",
    },
    "text_cfg": {"context_length": 24, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}
CATEGORIES = ("dress", "shirt")
CAPTIONS = (["is red instead", "has a stripe"], ["is longer  and blue"], ["has short sleeves", "is plain"])


@dataclass(frozen=True, kw_only=True)
class Tiny:
    """Everything that the serving package was made of, to compare with."""

    package: Path
    store: Store
    model: DWC
    images: list[Path]
    categories: list[list[str]]


def build_tiny(root: Path) -> Tiny:
    """Twelve pictures of two categories (one is in both), three queries, weights drawn at random."""
    torch.manual_seed(0)
    images, categories = _pictures(root / "data")
    clip = _clip(root)
    (root / "clip").mkdir()
    clip.save(root / "clip")
    store = _store(root, images, clip)
    model = _model(root, clip)
    streams = encode_gallery(model, store, store.rows(store.image_ids), batch_size=5)
    gallery = Gallery(
        ids=store.image_ids, cnn=streams.cnn.numpy(), clip=streams.clip.numpy(), categories=categories
    )
    build_package(
        root / "package",
        dataset="wardrobe",
        resolution=RESOLUTION,
        model_folder=root / "model",
        clip_folder=root / "clip",
        gallery=gallery,
    )
    return Tiny(package=root / "package", store=store, model=model, images=images, categories=categories)


def _pictures(folder: Path) -> tuple[list[Path], list[list[str]]]:
    folder.mkdir()
    paths, categories = [], []
    for number in range(12):
        category = CATEGORIES[number % 2]
        paths.append(folder / f"{category}-{number}.png")
        draw(category, number, 48).resize((48, 40 + 4 * number)).save(paths[-1])
        categories.append([category] if number else list(CATEGORIES))
    return paths, categories


def _clip(root: Path) -> FrozenClip:
    architecture = root / "tiny-clip.json"
    architecture.write_text(json.dumps(CLIP), encoding="utf-8")
    return FrozenClip.create(str(architecture), None)


def _store(root: Path, paths: list[Path], clip: FrozenClip) -> Store:
    ids = [path.stem for path in paths]
    images = pd.DataFrame({"image_id": ids, "path": [path.name for path in paths], "label": ids})
    triplets = pd.DataFrame(
        {
            "triplet_id": [f"dress.train.{number:06d}" for number in range(len(CAPTIONS))],
            "category": "dress",
            "split": "train",
            "reference_id": ids[: len(CAPTIONS)],
            "target_id": ids[1 : len(CAPTIONS) + 1],
            "captions": list(CAPTIONS),
        }
    )
    for name in ("store", "features", "model"):
        (root / name).mkdir()
    build_store(
        images,
        triplets,
        paths[0].parent,
        root / "store",
        resolution=RESOLUTION,
        min_word_count=1,
        caption_variants="joined",
    )
    plain = Store(root / "store")
    build_features(
        root / "features",
        plain.pixels,
        plain.texts,
        dim=clip.dim,
        encoder="tiny",
        encode_images=clip.encode_images,
        encode_texts=clip.encode_texts,
        batch_size=8,
    )
    return Store(root / "store", root / "features")


def _model(root: Path, clip: FrozenClip) -> DWC:
    vocabulary = Vocabulary.load(root / "store" / "vocabulary.json")
    config = ModelConfig(
        backbone="resnet18",
        dim=16,
        words=len(vocabulary),
        word_dim=8,
        clip_dim=clip.dim,
        resolution=RESOLUTION,
    )
    model = DWC(config).eval()
    save_bundle(root / "model", model)
    vocabulary.save(root / "model" / "vocabulary.json")
    return model
