"""The serving package: what lies in it, and what is said of one that is not whole."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from dwc.serving.package import Gallery, build_package, load_gallery
from dwc.serving.retriever import Retriever
from tests.serving.tiny import RESOLUTION, Tiny


@pytest.fixture
def package(tiny: Tiny, tmp_path: Path) -> Path:
    shutil.copytree(tiny.package, tmp_path / "package")
    return tmp_path / "package"


def test_what_lies_in_it(tiny: Tiny) -> None:
    files = {path.relative_to(tiny.package).as_posix() for path in tiny.package.rglob("*") if path.is_file()}
    assert files == {
        "package.json",
        "model/config.json",
        "model/cnn_stream.safetensors",
        "model/clip_stream.safetensors",
        "model/vocabulary.json",
        "clip/open_clip_config.json",
        "clip/open_clip_model.safetensors",
        "gallery/ids.json",
        "gallery/categories.json",
        "gallery/cnn.npy",
        "gallery/clip.npy",
    }
    about = json.loads((tiny.package / "package.json").read_text())
    assert (about["dataset"], about["resolution"], about["images"]) == ("wardrobe", RESOLUTION, 12)
    assert {"torch", "open-clip-torch"} <= about["versions"].keys()


def test_a_gallery_comes_back_as_it_was(tiny: Tiny) -> None:
    gallery = load_gallery(tiny.package)
    assert list(gallery.ids) == tiny.store.image_ids
    assert gallery.cnn.dtype == gallery.clip.dtype == np.float32
    assert np.allclose(np.linalg.norm(gallery.cnn, axis=1), 1.0, atol=1e-5)
    assert [list(names) for names in gallery.categories] == tiny.categories


def test_rows_must_fit_the_ids() -> None:
    with pytest.raises(ValueError, match="gallery: 3 rows of clip for 2 images"):
        Gallery(ids=["a", "b"], cnn=np.ones((2, 4), np.float32), clip=np.ones((3, 4), np.float32))


def test_a_failed_build_leaves_the_old_package(package: Path, tmp_path: Path) -> None:
    before = sorted(path for path in package.rglob("*"))
    with pytest.raises(FileNotFoundError):
        build_package(
            package,
            dataset="wardrobe",
            resolution=RESOLUTION,
            model_folder=tmp_path / "nothing",
            clip_folder=package / "clip",
            gallery=load_gallery(package),
        )
    assert sorted(path for path in package.rglob("*")) == before
    assert list(tmp_path.iterdir()) == [package]


def test_no_package(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no serving package.*Run the train stage first"):
        Retriever.load(tmp_path)


@pytest.mark.parametrize("missing", ["gallery/ids.json", "gallery/cnn.npy", "model/cnn_stream.safetensors"])
def test_a_missing_file_is_named(package: Path, missing: str) -> None:
    (package / missing).unlink()
    with pytest.raises(ValueError, match=Path(missing).name):
        Retriever.load(package)


def test_another_format_is_refused(package: Path) -> None:
    about = json.loads((package / "package.json").read_text())
    (package / "package.json").write_text(json.dumps(about | {"format": 99}))
    with pytest.raises(ValueError, match="package of format 99"):
        Retriever.load(package)


def test_pickled_embeddings_are_never_unpickled(package: Path) -> None:
    np.save(package / "gallery" / "cnn.npy", np.array([{"a": 1}] * 12), allow_pickle=True)
    with pytest.raises(ValueError, match="gallery"):
        Retriever.load(package)


def test_embeddings_of_another_model_are_refused(package: Path) -> None:
    np.save(package / "gallery" / "clip.npy", np.ones((12, 5), np.float32))
    with pytest.raises(ValueError, match=r"clip\.npy has size 5, the model was made for 16"):
        Retriever.load(package)
