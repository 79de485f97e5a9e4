"""What answers at a moment: one version of a model, and the gallery as that version sees it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch

from dwc.console import Teller
from dwc.registry.served import Served
from dwc.registry.versions import fetch_package
from dwc.serving.encoder import Encoder
from dwc.serving.fill import PictureOf, embed_missing, fill_from_package
from dwc.serving.gallery_folder import GalleryFolder
from dwc.serving.index import FLAT_LIMIT, Progress
from dwc.serving.live_gallery import LiveGallery
from dwc.serving.package import fingerprint, load_gallery, read_about


@dataclass(frozen=True, kw_only=True)
class Live:
    """A loaded model with its gallery; replaced as a whole, never changed.

    served: version and address; model: the package's fingerprint; dataset: name of the data set it was
    trained on.
    """

    served: Served
    model: str
    dataset: str
    encoder: Encoder
    gallery: LiveGallery
    loaded_at: datetime


def load_version(
    folder: GalleryFolder,
    served: Served,
    *,
    follow_package: bool,
    picture_of: PictureOf,
    device: torch.device | str,
    teller: Teller,
) -> Live:
    """Fetch a registered version's package, and bring it up; arguments and errors as in `bring_up`."""
    with folder.incoming() as place:
        package = teller.step("Fetch the model", fetch_package, served.version.uri, place)
        return bring_up(
            folder,
            package,
            served,
            follow_package=follow_package,
            picture_of=picture_of,
            device=device,
            teller=teller,
        )


def bring_up(
    folder: GalleryFolder,
    package: Path,
    served: Served,
    *,
    follow_package: bool,
    picture_of: PictureOf,
    device: torch.device | str,
    teller: Teller,
) -> Live:
    """Load a serving package, bring the gallery up to it, and index it.

    follow_package: take in the images that the package brings; picture_of: their pictures, where they are at
    hand. Raises ValueError where the package cannot be read.
    """
    encoder = teller.step("Load the model", Encoder.load, package, device)
    model = fingerprint(package)
    if follow_package:
        packaged = load_gallery(package, mapped=True)
        teller.step(
            "Take in the model's gallery",
            lambda: fill_from_package(folder, packaged, model, picture_of, teller.progress("images")),
        )
    teller.step("Embed pictures", lambda: embed_missing(folder, encoder, model, teller.progress("pictures")))
    gallery = teller.step("Index", lambda: index_gallery(folder, encoder, model, teller.progress("images")))
    return Live(
        served=served,
        model=model,
        dataset=str(read_about(package)["dataset"]),
        encoder=encoder,
        gallery=gallery,
        loaded_at=datetime.now(UTC),
    )


def index_gallery(
    folder: GalleryFolder, encoder: Encoder, model: str, progress: Progress, flat_limit: int = FLAT_LIMIT
) -> LiveGallery:
    """Index the images that have embeddings of a model."""
    store = folder.store
    return LiveGallery.build(
        2 * encoder.dim, store.chunks(model), store.embedded(model), flat_limit=flat_limit, progress=progress
    )
