"""Nothing is computed twice: rows that are there, and rows that another array has, are taken over."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from dwc.store import pixels
from dwc.store.features import IMAGES, MIRRORED, TEXTS, build_features
from dwc.store.pixels import build_pixels, open_pixels
from dwc.store.rows import KnownRows, RowWriter, keys_file, read_keys


def key(number: int) -> bytes:
    return bytes([number]) * 16


def picture(file: Path, red: int) -> Path:
    Image.new("RGB", (8, 8), (red, 0, 0)).save(file)
    return file


def reds(file: Path) -> list[int]:
    return [int(image[0, 0, 0]) for image in open_pixels(file)]


def test_rows_are_written_and_found_by_key(tmp_path: Path) -> None:
    file = tmp_path / "a.npy"
    with RowWriter(file, (3, 2), np.float32) as writer:
        writer.write(0, np.array([[1, 2], [3, 4]]), [key(1), key(2)])
        writer.write(2, np.array([[5, 6]]), [key(3)])
    assert np.load(file).tolist() == [[1, 2], [3, 4], [5, 6]]
    assert read_keys(file) == [key(1), key(2), key(3)]
    known = KnownRows(file, (2,), np.float32)
    assert key(2) in known and key(4) not in known
    assert known[key(2)].tolist() == [3, 4]
    assert key(2) not in KnownRows(file, (3,), np.float32)
    assert key(2) not in KnownRows(file, (2,), np.uint8)
    assert key(2) not in KnownRows(tmp_path / "none.npy", (2,), np.float32)


def test_an_interrupted_array_is_gone_on_with(tmp_path: Path) -> None:
    file = tmp_path / "a.npy"
    with pytest.raises(RuntimeError), RowWriter(file, (3, 2), np.float32) as writer:
        writer.write(0, np.array([[1, 2], [3, 4]]), [key(1), key(2)])
        raise RuntimeError
    with file.open("ab") as handle:
        handle.write(b"half a")
    with RowWriter(file, (4, 2), np.float32) as writer:
        assert writer.kept == [key(1), key(2)]
        writer.write(1, np.array([[7, 8]]), [key(7)])
        writer.write(2, np.array([[5, 6], [9, 9]]), [key(3), key(9)])
    assert np.load(file).tolist() == [[1, 2], [7, 8], [5, 6], [9, 9]]
    assert read_keys(file) == [key(1), key(7), key(3), key(9)]


@pytest.mark.parametrize("shape", [(2, 3), (2, 2, 1)])
def test_rows_of_another_kind_are_written_over(shape: tuple[int, ...], tmp_path: Path) -> None:
    file = tmp_path / "a.npy"
    with RowWriter(file, (2, 2), np.float32) as writer:
        writer.write(0, np.ones((2, 2)), [key(1), key(2)])
    with RowWriter(file, shape, np.float32) as writer:
        assert writer.kept == []
        writer.write(0, np.zeros(shape), [key(3), key(4)])
    assert np.load(file).shape == shape
    with RowWriter(file, shape, np.uint8) as writer:
        assert writer.kept == []
        writer.write(0, np.ones(shape), [key(3), key(4)])
    assert np.load(file).dtype == np.uint8


def test_too_few_rows_are_no_array(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="1 of 2 rows"),
        RowWriter(tmp_path / "a.npy", (2, 1), np.uint8) as writer,
    ):
        writer.write(0, np.ones((1, 1)), [key(1)])
    with pytest.raises(ValueError, match="behind 1"), RowWriter(tmp_path / "a.npy", (9, 1), np.uint8) as w:
        w.write(2, np.ones((1, 1)), [key(1)])


def test_a_changed_picture_alone_is_decoded_again(tmp_path: Path) -> None:
    paths = [picture(tmp_path / f"{number}.png", number) for number in range(5)]
    old, new = tmp_path / "old.npy", tmp_path / "new.npy"
    assert build_pixels(paths, old, 4) == 5
    picture(paths[2], 77)
    added = picture(tmp_path / "added.png", 99)
    order = [added, *reversed(paths)]
    assert build_pixels(order, new, 4, earlier=old) == 2
    assert reds(new) == [99, 4, 3, 77, 1, 0]
    assert build_pixels(order, tmp_path / "other.npy", 6, earlier=new) == 6, "another side is another picture"


@pytest.mark.parametrize("changed", [None, 1])
def test_decoding_goes_on_after_an_interruption(
    changed: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixels, "_AT_ONCE", 2)
    paths = [picture(tmp_path / f"{number}.png", number) for number in range(6)]
    paths[4].write_bytes(b"broken")
    file = tmp_path / "pixels.npy"
    with pytest.raises(ValueError, match=r"4\.png"):
        build_pixels(paths, file, 4)
    picture(paths[4], 4)
    if changed is not None:
        picture(paths[changed], 50 + changed)
    calls: list[int] = []
    decoded = build_pixels(paths, file, 4, progress=lambda done, _: calls.append(done))
    assert decoded == (2 if changed is None else 3)
    assert calls == [1, 2, 3, 4, 5, 6]
    assert reds(file) == [0, 51 if changed else 1, 2, 3, 4, 5]


KILLED = """
import os, signal, sys
from pathlib import Path
from dwc.store.pixels import build_pixels
files = sorted(Path(sys.argv[1]).glob("*.png"))
def progress(done, _):
    if done == 40:
        os.kill(os.getpid(), signal.SIGKILL)
build_pixels(files, Path(sys.argv[2]), 4, progress=progress)
"""


def test_what_a_killed_process_has_decoded_stays(tmp_path: Path) -> None:
    paths = [picture(tmp_path / f"{number:03}.png", number) for number in range(60)]
    file = tmp_path / "pixels.npy"
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(file)], env=dict(os.environ))
    assert done.returncode == -signal.SIGKILL
    assert build_pixels(paths, file, 4) == 20
    assert reds(file) == list(range(60))


class Clip:
    """Embeds an image as its first row of red, a text as its length, and counts."""

    def __init__(self, factor: float = 1.0) -> None:
        self.images: list[int] = []
        self.texts: list[str] = []
        self._factor = factor

    def encode_images(self, batch: Tensor) -> Tensor:
        self.images += batch[:, 0, 0, 0].tolist()
        return self._factor * batch[:, 0, :, 0].float()

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        self.texts += texts
        return torch.tensor([[self._factor * len(text)] * 4 for text in texts])

    def build(self, folder: Path, pixels: np.ndarray, texts: list[str], earlier: Path | None = None) -> int:
        folder.mkdir(exist_ok=True)
        return build_features(
            folder,
            pixels,
            texts,
            dim=4,
            encoder=f"clip {self._factor}",
            encode_images=self.encode_images,
            encode_texts=self.encode_texts,
            batch_size=2,
            earlier=earlier,
        )


def pixels_of(*reds: int) -> np.ndarray:
    ramp = np.arange(4, dtype=np.uint8)[None, None, :, None]
    return np.array(reds, dtype=np.uint8)[:, None, None, None] + np.zeros((1, 4, 4, 3), np.uint8) + ramp


def test_only_new_pictures_and_texts_are_embedded(tmp_path: Path) -> None:
    first = Clip()
    assert first.build(tmp_path / "old", pixels_of(10, 20, 30), ["a", "bb"]) == 3
    clip = Clip()
    assert clip.build(tmp_path / "new", pixels_of(30, 40, 10), ["bb", "ccc"], tmp_path / "old") == 1
    assert clip.images == [40, 43]
    assert clip.texts == ["ccc"]
    assert np.load(tmp_path / "new" / IMAGES)[:, 0].tolist() == [30, 40, 10]
    assert np.load(tmp_path / "new" / MIRRORED)[:, 0].tolist() == [33, 43, 13]
    assert np.load(tmp_path / "new" / TEXTS)[:, 0].tolist() == [2, 3]
    other = Clip(2.0)
    assert other.build(tmp_path / "other", pixels_of(10, 20, 30), ["a"], tmp_path / "old") == 3
    assert np.load(tmp_path / "other" / IMAGES)[:, 0].tolist() == [20, 40, 60]


def test_embedding_goes_on_after_an_interruption(tmp_path: Path) -> None:
    class Stops(Clip):
        def encode_images(self, batch: Tensor) -> Tensor:
            if len(self.images) >= 8:
                raise RuntimeError("gone")
            return super().encode_images(batch)

    pixels = pixels_of(*range(0, 60, 10))
    with pytest.raises(RuntimeError, match="gone"):
        Stops().build(tmp_path / "a", pixels, ["x"])
    assert len(read_keys(tmp_path / "a" / IMAGES)) == 4
    clip = Clip()
    assert clip.build(tmp_path / "a", pixels, ["x"]) == 2
    assert np.load(tmp_path / "a" / IMAGES)[:, 0].tolist() == list(range(0, 60, 10))
    assert json.dumps(clip.texts) == '["x"]'
    keys_file(tmp_path / "a" / MIRRORED).write_bytes(b"")
    assert Clip().build(tmp_path / "a", pixels, ["x"]) == 6, "both arrays or none"
