"""The serving package: one folder with all that answering queries takes.

model/         both streams: configuration, weights, vocabulary
clip/          the frozen CLIP
gallery/       ids.json, categories.json, cnn.npy and clip.npy [images, dim] float32
package.json   data set, resolution of the images in pixels, versions
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32

from dwc.files import atomic_folder

FORMAT = 1
_RECORDED_VERSIONS = ("numpy", "open-clip-torch", "pillow", "torch", "torchvision")

Embeddings = Float32[np.ndarray, "_ _"]  # images, dim; whether they fit is said by `Gallery` and `Retriever`


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """The images that can be found: ids, both streams' target embeddings (unit norm) and categories.

    categories: for each image the categories it belongs to; empty where there are none to choose from.
    """

    ids: Sequence[str]
    cnn: Embeddings
    clip: Embeddings
    categories: Sequence[Sequence[str]] = field(default=())

    def __post_init__(self) -> None:
        rows = {"cnn": len(self.cnn), "clip": len(self.clip)}
        if self.categories:
            rows["categories"] = len(self.categories)
        for name, count in rows.items():
            if count != len(self.ids):
                raise ValueError(f"gallery: {count} rows of {name} for {len(self.ids)} images.")


def build_package(
    folder: Path,
    *,
    dataset: str,
    resolution: int,
    model_folder: Path,
    clip_folder: Path,
    gallery: Gallery,
    versions: Mapping[str, str] | None = None,
) -> None:
    """Write the package whole or not at all, replacing an earlier one.

    dataset: name of the data set; resolution: side of the stored images, pixels; versions: what to name
    besides the libraries' versions, such as the commit.
    """
    about = {
        "format": FORMAT,
        "dataset": dataset,
        "resolution": resolution,
        "images": len(gallery.ids),
        "versions": {name: metadata.version(name) for name in _RECORDED_VERSIONS} | dict(versions or {}),
    }
    with atomic_folder(folder) as temporary:
        shutil.copytree(model_folder, temporary / "model")
        shutil.copytree(clip_folder, temporary / "clip")
        (temporary / "gallery").mkdir()
        _save_gallery(temporary / "gallery", gallery)
        _write_json(temporary / "package.json", about)


def read_about(folder: Path) -> dict[str, Any]:
    """Content of package.json. Raises ValueError where the folder is no package of this format."""
    try:
        about: dict[str, Any] = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{folder} holds no serving package ({error}). Run the train stage first."
        ) from error
    if about.get("format") != FORMAT:
        raise ValueError(
            f"{folder}: package of format {about.get('format')}, this program reads {FORMAT}. Train the "
            "model again, or serve it with the code that is stored beside it."
        )
    return about


def fingerprint(folder: Path) -> str:
    """What tells models apart by their content: packages of one model and CLIP have the same fingerprint."""
    digest = hashlib.sha256()
    for part in ("clip", "model"):
        for file in sorted(path for path in (folder / part).rglob("*") if path.is_file()):
            with file.open("rb") as content:
                inner = hashlib.file_digest(content, "sha256").hexdigest()
            digest.update(f"{file.relative_to(folder).as_posix()} {inner}\n".encode())
    return digest.hexdigest()[:16]


def load_gallery(folder: Path, *, mapped: bool = False) -> Gallery:
    """Read a package's gallery; mapped: its embeddings stay on the disk until they are looked at.

    Raises ValueError naming what is missing or does not fit together.
    """
    gallery = folder / "gallery"
    mode: Literal["r"] | None = "r" if mapped else None
    try:
        return Gallery(
            ids=json.loads((gallery / "ids.json").read_text(encoding="utf-8")),
            cnn=np.load(gallery / "cnn.npy", mmap_mode=mode, allow_pickle=False),
            clip=np.load(gallery / "clip.npy", mmap_mode=mode, allow_pickle=False),
            categories=json.loads((gallery / "categories.json").read_text(encoding="utf-8")),
        )
    except (OSError, ValueError) as error:
        raise ValueError(f"{gallery} holds no complete gallery: {error}") from error


def _save_gallery(folder: Path, gallery: Gallery) -> None:
    _write_json(folder / "ids.json", list(gallery.ids))
    _write_json(folder / "categories.json", [list(names) for names in gallery.categories])
    np.save(folder / "cnn.npy", np.ascontiguousarray(gallery.cnn, dtype=np.float32), allow_pickle=False)
    np.save(folder / "clip.npy", np.ascontiguousarray(gallery.clip, dtype=np.float32), allow_pickle=False)


def _write_json(file: Path, value: object) -> None:
    file.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
