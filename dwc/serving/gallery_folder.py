"""A gallery's folder: the store, the pictures, and the lock by which one process at a time uses them.

gallery.sqlite     ids, categories, embeddings by model (and SQLite's own files beside it)
pictures/          one file for each picture that is kept
incoming/          a model while it is read
lock               held while a server uses the folder
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dwc.serving.gallery_store import GalleryStore
from dwc.serving.kept_pictures import KeptPictures

_MADE_FOR = "registered model"


@dataclass(frozen=True, kw_only=True)
class GalleryFolder:
    """An opened gallery."""

    path: Path
    store: GalleryStore
    pictures: KeptPictures

    @classmethod
    def at(cls, path: Path) -> GalleryFolder:
        """Open the folder's files once more, for another thread of the process that holds the lock."""
        return cls(
            path=path,
            store=GalleryStore(path / "gallery.sqlite"),
            pictures=KeptPictures(path / "pictures"),
        )

    @contextmanager
    def incoming(self) -> Iterator[Path]:
        """An empty folder for a model that is being read; deleted after the block, or by the next one."""
        place = self.path / "incoming"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        try:
            yield place
        finally:
            shutil.rmtree(place)


@contextmanager
def open_gallery(path: Path, name: str) -> Iterator[GalleryFolder]:
    """Open a gallery, or make an empty one, for the block; name: the registered model that it is made for.

    Raises ValueError where another process uses it, or it was made for another model.
    """
    path.mkdir(parents=True, exist_ok=True)
    with (path / "lock").open("a", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"{path}: another server uses this gallery. Stop it, or give another --gallery."
            ) from None
        gallery = GalleryFolder.at(path)
        try:
            _check_owner(gallery, name)
            gallery.pictures.remove_others(gallery.store.ids())
            yield gallery
        finally:
            gallery.store.close()


def _check_owner(gallery: GalleryFolder, name: str) -> None:
    owner = gallery.store.fact(_MADE_FOR)
    if owner is None:
        gallery.store.note(_MADE_FOR, name)
    elif owner != name:
        raise ValueError(
            f"{gallery.path}: this gallery was made for {owner}, not {name}. Give another --gallery."
        )
