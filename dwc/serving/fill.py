"""Filling a gallery: from a registered package, from a folder of pictures, and with a model's embeddings.

Every step goes on where a killed one stopped: images are kept some at a time, and those that are there are
passed over. Images that were removed by hand do not come back.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TypeVar

import numpy as np
from PIL import Image

from dwc.parallel import bounded_map
from dwc.serving.encoder import Encoder
from dwc.serving.gallery_folder import GalleryFolder
from dwc.serving.gallery_store import StoredImage, Vector
from dwc.serving.index import Progress
from dwc.serving.kept_pictures import kept_file, kept_form
from dwc.serving.package import Gallery
from dwc.store.pictures import Pixels, square_picture

T = TypeVar("T")
PictureOf = Callable[[str], Image.Image | None]

_BATCH = 64  # images kept in one transaction, and embedded at a time
_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"}
_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Unreadable:
    """A file that cannot be used, and why."""

    file: str
    reason: str


def fill_from_package(
    folder: GalleryFolder, packaged: Gallery, model: str, picture_of: PictureOf, progress: Progress
) -> None:
    """Take in a package's images with their embeddings, and the pictures of new ones where they are at hand.

    model: the package's fingerprint; picture_of: the picture of an image, None where it is not known. Images
    that an earlier package brought get this model's embeddings too.
    """
    new = _unknown(folder, packaged.ids)
    rows = {name: row for row, name in enumerate(packaged.ids)}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        kept = bounded_map(pool, lambda name: _keep(folder, name, picture_of), new)
        for batch in _batches(zip(new, kept, strict=True), len(new), progress):
            images = [_packaged(packaged, rows[name], has_picture) for name, has_picture in batch]
            folder.store.add(images, model)
    older = folder.store.to_embed(model, packaged=True)
    known = [(number, rows[name]) for number, name in older if name in rows]
    for pairs in _batches(known, len(known), progress):
        folder.store.embed(model, ((number, _vector(packaged, row)) for number, row in pairs))


def fill_from_pictures(folder: GalleryFolder, pictures: Path, progress: Progress) -> list[Unreadable]:
    """Keep every picture below a folder that is not there yet; returns those that cannot be read.

    The id is the file's relative name without its ending, the category the first folder. Raises ValueError
    where there is no such folder, or two files would have the same id.
    """
    files = _picture_files(pictures)
    new = _unknown(folder, files)
    unreadable: list[Unreadable] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        read = bounded_map(pool, lambda name: _read(pictures, files[name]), new, window=_BATCH)
        for batch in _batches(zip(new, read, strict=True), len(new), progress):
            images = []
            for name, content in batch:
                if isinstance(content, str):
                    unreadable.append(Unreadable(file=_printable(files[name]), reason=content))
                else:
                    folder.pictures.write(name, content, at_once=False)
                    images.append(StoredImage(id=name, categories=_first_folder(name), has_picture=True))
            folder.store.add(images, model="")
    return unreadable


def embed_missing(folder: GalleryFolder, encoder: Encoder, model: str, progress: Progress) -> None:
    """Embed the kept pictures of images that have no embedding of a model yet."""
    missing = folder.store.to_embed(model, packaged=False)
    side = encoder.model.config.resolution
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        read = bounded_map(pool, lambda row: kept_square(folder, row[1], side), missing, window=_BATCH)
        for batch in _batches(zip(missing, read, strict=True), len(missing), progress):
            numbers = [number for (number, _), pixels in batch if pixels is not None]
            if numbers:
                vectors = encoder.embed(np.stack([pixels for _, pixels in batch if pixels is not None]))
                folder.store.embed(model, zip(numbers, vectors, strict=True))


def kept_square(folder: GalleryFolder, image_id: str, side: int) -> Pixels | None:
    """What a model reads of a kept picture; None where the file was lost or damaged."""
    content = folder.pictures.read(image_id)
    try:
        return None if content is None else square_picture(content, side)
    except ValueError as error:
        _LOGGER.warning(
            "%s: its kept picture is damaged (%s). Remove the image and add it anew.", image_id, error
        )
        return None


def _unknown(folder: GalleryFolder, ids: Iterable[str]) -> list[str]:
    """Those ids that are not in the gallery, and were not removed from it."""
    passed = folder.store.removed().union(folder.store.ids())
    return [name for name in ids if name not in passed]


def _keep(folder: GalleryFolder, image_id: str, picture_of: PictureOf) -> bool:
    picture = picture_of(image_id)
    if picture is not None:
        folder.pictures.write(image_id, kept_form(picture), at_once=False)
    return picture is not None


def _packaged(packaged: Gallery, row: int, has_picture: bool) -> StoredImage:
    return StoredImage(
        id=packaged.ids[row],
        categories=packaged.categories[row] if packaged.categories else (),
        has_picture=has_picture,
        packaged=True,
        vector=_vector(packaged, row),
    )


def _vector(packaged: Gallery, row: int) -> Vector:
    return np.concatenate([packaged.cnn[row], packaged.clip[row]])


def _read(folder: Path, name: str) -> bytes | str:
    """The form in which a picture is kept, or why it cannot be read."""
    try:
        name.encode()
        return kept_file(folder / name)
    except UnicodeEncodeError:
        return "its name is not valid UTF-8. Rename it."
    except (ValueError, OSError) as error:
        return str(error)


def _printable(name: str) -> str:
    return name.encode(errors="replace").decode()


def _picture_files(folder: Path) -> dict[str, str]:
    """Relative file name of each id below a folder."""
    if not folder.is_dir():
        raise ValueError(f"--pictures {folder}: there is no such folder.")
    found: dict[str, str] = {}
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            file = (Path(place) / name).relative_to(folder)
            if file.suffix.lower() in _SUFFIXES:
                image_id = file.with_suffix("").as_posix()
                if image_id in found:
                    raise ValueError(
                        f"{folder}: {found[image_id]} and {file.as_posix()} would have one id. Rename one."
                    )
                found[image_id] = file.as_posix()
    return found


def _first_folder(image_id: str) -> tuple[str, ...]:
    parts = PurePosixPath(image_id).parts
    return parts[:1] if len(parts) > 1 else ()


def _batches(items: Iterable[T], total: int, progress: Progress) -> Iterator[list[T]]:
    iterator, done = iter(items), 0
    while batch := list(islice(iterator, _BATCH)):
        yield batch
        done += len(batch)
        progress(done, total)
