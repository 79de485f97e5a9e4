"""The pictures of a gallery as files: what is shown, and what another model will embed."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from dwc.decoding import open_picture
from dwc.files import atomic_file

MEDIA_TYPE = "image/webp"

_SHORT, _LONG = 512, 2048  # pixels: more than twice what the usual models read, and enough for a page
_EXACT = 256  # pixels: an image store's squares are kept as they are; larger pictures with losses
_QUALITY = 90


def kept_file(source: Path | bytes, *, max_megapixels: float = 100.0) -> bytes:
    """A picture file in the form in which it is kept. Raises ValueError where it cannot be decoded."""
    return kept_form(open_picture(source, max_megapixels=max_megapixels, short_side=_SHORT))


def kept_form(picture: Image.Image) -> bytes:
    """A decoded picture as it is kept: WebP without metadata, made smaller where it is larger than needed."""
    scale = min(1.0, _SHORT / min(picture.size), _LONG / max(picture.size))
    if scale < 1.0:
        width, height = (max(1, round(side * scale)) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    if max(picture.size) <= _EXACT:
        picture.save(file, "WEBP", lossless=True, quality=0, method=0)
    else:
        picture.save(file, "WEBP", quality=_QUALITY, method=2)
    return file.getvalue()


class KeptPictures:
    """Files named by a hash of the image's id, so that no id can lead out of the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, image_id: str, content: bytes, *, at_once: bool = True) -> None:
        """Keep a picture, whole or not at all; at_once: on the disk, not only on its way there."""
        with atomic_file(self._file(image_id)) as temporary, temporary.open("wb") as file:
            file.write(content)
            if at_once:
                file.flush()
                os.fsync(file.fileno())

    def read(self, image_id: str) -> bytes | None:
        """The picture, None where it is not there."""
        try:
            return self._file(image_id).read_bytes()
        except FileNotFoundError:
            return None

    def remove(self, image_id: str) -> None:
        """Delete the picture where it is there."""
        self._file(image_id).unlink(missing_ok=True)

    def remove_others(self, ids: Iterable[str]) -> int:
        """Delete files of no image, as a process leaves that is killed in the middle; returns how many."""
        known = {self._file(image_id) for image_id in ids}
        strangers = [file for file in self._folder.glob("*/*") if file not in known]
        for file in strangers:
            file.unlink()
        return len(strangers)

    def _file(self, image_id: str) -> Path:
        name = hashlib.sha256(image_id.encode()).hexdigest()[:40]
        return self._folder / name[:2] / f"{name[2:]}.webp"
