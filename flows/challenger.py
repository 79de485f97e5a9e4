"""The trained model as something that can be asked: package with a gallery, registered as the challenger."""

from __future__ import annotations

import base64
import io
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from dwc.evaluation.encode import encode_gallery
from dwc.model.dwc import DWC
from dwc.registry.versions import ModelVersion, model_name, register_model
from dwc.serving.package import Gallery, build_package
from dwc.store.dataset import Store
from flows.stage import BUILD, Stage

ALIAS = "challenger"
TRAINING = "train"


def register_challenger(stage: Stage, model: DWC, store: Store, images: pd.DataFrame) -> ModelVersion:
    """Embed the gallery, build the serving package, and register it with the stage's run.

    images: the images table. The gallery is what evaluation searches: all images but those only trained on.
    """
    listed = searchable(images)
    rows = store.rows(listed["image_id"].tolist())
    streams = encode_gallery(
        model,
        store,
        rows,
        batch_size=stage.params.train.batch_size,
        progress=stage.progress("gallery pictures"),
    )
    gallery = Gallery(
        ids=listed["image_id"].tolist(),
        cnn=streams.cnn.numpy(),
        clip=streams.clip.numpy(),
        categories=listed["categories"].tolist(),
    )
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "package"
        build_package(
            package,
            dataset=stage.params.data.name,
            resolution=store.side,
            model_folder=BUILD / "model",
            clip_folder=BUILD / "clip",
            gallery=gallery,
            versions={"git": stage.lineage["git_sha"]},
        )
        return register_model(
            stage.run.id,
            package,
            model_name(stage.params.data.name),
            alias=ALIAS,
            tags=stage.lineage,
            input_example=_example(store, int(rows[0])),
        )


def searchable(images: pd.DataFrame) -> pd.DataFrame:
    """Images of the searched lists, with their categories; all images where every list is for training."""
    lists = images["galleries"].map(lambda names: [name.rpartition(".") for name in names])
    searched = lists.map(
        lambda parts: sorted({category for category, _, split in parts if split != TRAINING})
    )
    everything = lists.map(lambda parts: sorted({category for category, _, _ in parts}))
    found = images.assign(categories=searched)
    found = found[found["categories"].map(bool)]
    return images.assign(categories=everything) if found.empty else found


def _example(store: Store, row: int) -> pd.DataFrame:
    """One question to the model, as its users send it."""
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(store.pixels[row])).save(buffer, format="PNG")
    picture = base64.b64encode(buffer.getvalue()).decode("ascii")
    return pd.DataFrame({"image": [picture], "text": ["is darker and has longer sleeves"], "k": [5]})
