"""Filling a gallery from a package or a folder, and going on after an interruption."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from dwc.serving.encoder import Encoder
from dwc.serving.fill import embed_missing, fill_from_package, fill_from_pictures
from dwc.serving.gallery_folder import GalleryFolder, open_gallery
from dwc.serving.gallery_store import StoredImage
from dwc.serving.image_store import ImageStore
from dwc.serving.index import Progress
from dwc.serving.kept_pictures import kept_form
from dwc.serving.package import Gallery, fingerprint, load_gallery
from dwc.serving.service import Example
from dwc.store.pictures import open_picture, square
from tests.serving.tiny import Tiny


class StopHereError(Exception):
    pass


def silent(done: int, total: int) -> None:
    pass


def interrupt_at(limit: int) -> Progress:
    def progress(done: int, total: int) -> None:
        if done >= limit:
            raise StopHereError

    return progress


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[GalleryFolder]:
    with open_gallery(tmp_path / "gallery", "dwc-wardrobe") as opened:
        yield opened


@pytest.fixture(scope="module")
def encoder(tiny: Tiny) -> Encoder:
    return Encoder.load(tiny.package)


def nothing(image_id: str) -> None:
    return None


def vectors(folder: GalleryFolder, model: str) -> dict[str, np.ndarray]:
    return {
        name: vector
        for chunk in folder.store.chunks(model)
        for name, vector in zip(chunk.ids, chunk.vectors, strict=True)
    }


def test_a_package_brings_embeddings_categories_and_pictures(folder: GalleryFolder, tiny: Tiny) -> None:
    packaged = load_gallery(tiny.package, mapped=True)
    pictures = dict(zip(packaged.ids, (np.asarray(row) for row in tiny.store.pixels), strict=True))
    known = set(list(pictures)[:7])
    fill_from_package(
        folder,
        packaged,
        "m",
        lambda name: Image.fromarray(pictures[name]) if name in known else None,
        silent,
    )
    found = vectors(folder, "m")
    assert list(found) == list(packaged.ids)
    assert np.array_equal(
        np.stack(list(found.values())), np.concatenate([packaged.cnn, packaged.clip], axis=1)
    )
    (chunk,) = folder.store.chunks("m")
    assert [list(names) for names in chunk.categories] == tiny.categories
    for name in packaged.ids:
        kept = folder.pictures.read(name)
        assert (kept is not None) == (name in known)
        if kept is not None:  # what an image store holds is kept without losses
            assert np.array_equal(np.asarray(open_picture(kept)), pictures[name])


def test_a_kept_picture_embeds_as_the_stages_embedded_it(
    folder: GalleryFolder, tiny: Tiny, encoder: Encoder
) -> None:
    packaged = load_gallery(tiny.package)
    pixels = dict(zip(packaged.ids, tiny.store.pixels, strict=True))
    for name in packaged.ids:
        folder.pictures.write(name, kept_form(Image.fromarray(np.asarray(pixels[name]))))
    images = [StoredImage(id=name, categories=(), has_picture=True) for name in packaged.ids]
    folder.store.add(images, "")
    embed_missing(folder, encoder, "m", silent)
    expected = np.concatenate([packaged.cnn, packaged.clip], axis=1)
    assert np.allclose(np.stack(list(vectors(folder, "m").values())), expected, atol=1e-5)


def test_a_later_package_speaks_for_its_own_images_and_not_for_others(
    folder: GalleryFolder, tiny: Tiny, encoder: Encoder
) -> None:
    """`a` came with the first package; `mine` was added by hand and happens to have a packaged name."""
    folder.pictures.write("mine", kept_form(Image.open(tiny.images[3]).convert("RGB")))
    folder.store.add([StoredImage(id="mine", categories=("hat",), has_picture=True)], "old")
    first = Gallery(ids=["a", "gone"], cnn=np.ones((2, 16), np.float32), clip=np.ones((2, 16), np.float32))
    fill_from_package(folder, first, "old", nothing, silent)
    folder.store.remove("gone")
    later = Gallery(
        ids=["gone", "a", "b", "mine"],
        cnn=np.full((4, 16), 2, np.float32),
        clip=np.full((4, 16), 3, np.float32),
    )
    fill_from_package(folder, later, "new", nothing, silent)
    embed_missing(folder, encoder, "new", silent)
    found = vectors(folder, "new")
    assert list(found) == ["mine", "a", "b"]  # what was removed does not come back
    assert found["a"].tolist() == found["b"].tolist() == [2.0] * 16 + [3.0] * 16
    assert np.linalg.norm(found["mine"][:16]) == pytest.approx(1.0, abs=1e-5)


def test_pictures_of_a_folder(folder: GalleryFolder, tiny: Tiny, encoder: Encoder, tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    (shop / "shoes" / "winter").mkdir(parents=True)
    Image.open(tiny.images[0]).save(shop / "lone.PNG")
    Image.open(tiny.images[1]).convert("RGB").resize((1400, 900)).save(shop / "shoes/winter/Böot 1.jpg")
    (shop / "shoes" / "broken.jpg").write_bytes(b"no picture")
    (shop / "shoes" / "notes.txt").write_text("not a picture")
    Image.open(tiny.images[0]).save(os.fsdecode(os.fsencode(shop) + b"/\xff.png"))
    unreadable = fill_from_pictures(folder, shop, silent)
    assert [one.file for one in unreadable] == ["?.png", "shoes/broken.jpg"]
    assert "cannot be decoded" in unreadable[1].reason
    assert "not valid UTF-8" in unreadable[0].reason
    embed_missing(folder, encoder, "m", silent)
    (chunk,) = folder.store.chunks("m")
    assert dict(zip(chunk.ids, chunk.categories, strict=True)) == {
        "lone": (),
        "shoes/winter/Böot 1": ("shoes",),
    }
    kept = folder.pictures.read("shoes/winter/Böot 1")
    assert kept is not None and open_picture(kept).size == (796, 512)
    pixels = square(open_picture(kept), encoder.model.config.resolution)
    assert np.allclose(chunk.vectors[1], encoder.embed(pixels[None].copy())[0], atol=1e-5)
    Image.open(tiny.images[2]).save(shop / "later.png")
    fill_from_pictures(folder, shop, silent)
    assert folder.store.ids() == ["lone", "shoes/winter/Böot 1", "later"]


def test_an_interrupted_filling_goes_on(
    folder: GalleryFolder, tiny: Tiny, encoder: Encoder, tmp_path: Path
) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    for number in range(150):
        Image.new("RGB", (40, 40), (number, 80, 200)).save(shop / f"{number:03d}.png")
    with pytest.raises(StopHereError):
        fill_from_pictures(folder, shop, interrupt_at(100))
    begun = len(folder.store.ids())
    assert 0 < begun < 150
    counts: list[int] = []
    fill_from_pictures(folder, shop, lambda done, total: counts.append(total))
    assert counts[-1] == 150 - begun
    assert folder.store.ids() == [f"{number:03d}" for number in range(150)]
    with pytest.raises(StopHereError):
        embed_missing(folder, encoder, "m", interrupt_at(60))
    assert 0 < folder.store.embedded("m") < 150
    embed_missing(folder, encoder, "m", silent)
    assert folder.store.embedded("m") == 150
    pixels = np.stack([square(open_picture(shop / f"{number:03d}.png"), 32) for number in (0, 149)])
    found = vectors(folder, "m")
    assert np.allclose(np.stack([found["000"], found["149"]]), encoder.embed(pixels), atol=1e-5)


def test_two_files_of_one_id_are_refused(folder: GalleryFolder, tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg"):
        Image.new("RGB", (40, 40)).save(tmp_path / name)
    with pytest.raises(ValueError, match=r"a\.jpg and a\.png would have one id"):
        fill_from_pictures(folder, tmp_path, silent)
    with pytest.raises(ValueError, match="there is no such folder"):
        fill_from_pictures(folder, tmp_path / "nothing", silent)


def test_a_damaged_kept_picture_does_not_stop_the_others(
    folder: GalleryFolder, tiny: Tiny, encoder: Encoder, caplog: pytest.LogCaptureFixture
) -> None:
    folder.pictures.write("damaged", b"RIFF")
    folder.pictures.write("good", kept_form(Image.open(tiny.images[0]).convert("RGB")))
    images = [StoredImage(id=name, categories=(), has_picture=True) for name in ("damaged", "good")]
    folder.store.add(images, "")
    embed_missing(folder, encoder, "m", silent)
    assert list(vectors(folder, "m")) == ["good"]
    assert "damaged: its kept picture is damaged" in caplog.text


def test_the_fingerprint_is_of_the_model_and_not_of_the_gallery(tiny: Tiny, tmp_path: Path) -> None:
    shutil.copytree(tiny.package, tmp_path / "package")
    before = fingerprint(tiny.package)
    (tmp_path / "package/gallery/ids.json").write_text("[]")
    assert fingerprint(tmp_path / "package") == before
    weights = tmp_path / "package/model/cnn_stream.safetensors"
    changed = bytearray(weights.read_bytes())
    changed[-1] ^= 1
    weights.write_bytes(changed)
    assert fingerprint(tmp_path / "package") != before


def test_an_image_store_knows_pictures_and_what_to_ask(tiny: Tiny, tmp_path: Path) -> None:
    """Questions of the evaluation come first; of the tiny store all are for training."""
    folder = tiny.package.parent / "store"
    store, ids = ImageStore(folder), tiny.store.image_ids
    picture = store.picture("shirt-3")
    assert picture is not None
    assert np.array_equal(np.asarray(picture), tiny.store.pixels[ids.index("shirt-3")])
    assert store.picture("nobody") is None
    assert store.example(ids) == Example(image_id=ids[0], text="is red instead and has a stripe")
    assert store.example(ids[1:]) == Example(image_id=ids[1], text="is longer and blue")
    assert store.example([]) is None
    shutil.copytree(folder, tmp_path / "store")
    triplets = pd.read_parquet(folder / "triplets.parquet")
    triplets.loc[2, "split"] = "val"
    triplets.to_parquet(tmp_path / "store/triplets.parquet")
    assert ImageStore(tmp_path / "store").example(ids) == Example(
        image_id=ids[2], text="has short sleeves and is plain"
    )
    absent = ImageStore(tmp_path / "nothing")
    assert absent.picture(ids[0]) is None and absent.example(ids) is None
