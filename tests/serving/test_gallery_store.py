"""The gallery on disk."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import numpy as np
import pytest

from dwc.serving.gallery_folder import GalleryFolder, open_gallery
from dwc.serving.gallery_store import GalleryStore, StoredImage

ONE, TWO = np.array([1, 0], dtype=np.float32), np.array([0, 2], dtype=np.float32)


def image(name: str, vector: np.ndarray | None = None, **more: bool) -> StoredImage:
    values: dict[str, bool] = {"has_picture": True} | more
    return StoredImage(id=name, categories=("dress", "ärmellos"), vector=vector, **values)


@pytest.fixture
def store(tmp_path: Path) -> GalleryStore:
    return GalleryStore(tmp_path / "gallery.sqlite")


def test_images_come_back_in_order_with_what_they_had(store: GalleryStore, tmp_path: Path) -> None:
    store.add([image("z", ONE), image("a", TWO)], "m")
    store.close()
    again = GalleryStore(tmp_path / "gallery.sqlite")
    (chunk,) = again.chunks("m")
    assert list(chunk.ids) == again.ids() == ["z", "a"]
    assert chunk.categories == [("dress", "ärmellos")] * 2
    assert chunk.vectors.tolist() == [[1, 0], [0, 2]]
    assert again.image("a", "m").vector.tolist() == [0, 2]  # type: ignore[union-attr]
    assert again.image("a", "another").vector is None


def test_all_of_a_batch_or_none(store: GalleryStore) -> None:
    store.add([image("a")], "m")
    with pytest.raises(sqlite3.IntegrityError):
        store.add([image("b"), image("a")], "m")
    assert store.ids() == ["a"]


def test_removing_takes_the_embeddings_along_and_is_remembered(store: GalleryStore) -> None:
    store.add([image("a", ONE), image("b", TWO)], "m")
    assert store.remove("a") and not store.remove("a") and not store.remove("never")
    assert store.embedded("m") == 1 and store.removed() == {"a"} and "a" not in store
    store.add([image("a", ONE)], "m")
    assert store.removed() == set()
    assert store.ids() == ["b", "a"]  # a number is never used again


def test_embeddings_by_model(store: GalleryStore) -> None:
    store.add([image("a", ONE, packaged=True), image("b", None), image("c", None, has_picture=False)], "old")
    assert [name for _, name in store.to_embed("new", packaged=False)] == ["a", "b"]
    assert [name for _, name in store.to_embed("new", packaged=True)] == ["a"]
    assert [name for _, name in store.to_embed("old", packaged=False)] == ["b"]
    number = store.to_embed("new", packaged=False)[1][0]
    store.embed("new", [(number, TWO), (999, TWO)])  # 999 was removed in the meantime
    assert (store.embedded("new"), store.not_embedded("new"), store.not_embedded("old")) == (1, 2, 2)
    store.forget_models({"new"})
    assert (store.embedded("new"), store.embedded("old")) == (1, 0)


def test_many_chunks(store: GalleryStore) -> None:
    vectors = np.arange(5000, dtype=np.float32).reshape(2500, 2)
    store.add([image(str(row), vectors[row]) for row in range(2500)], "m")
    chunks = list(store.chunks("m"))
    assert len(chunks) > 1
    assert np.array_equal(np.concatenate([chunk.vectors for chunk in chunks]), vectors)


def test_threads_with_stores_of_their_own_wait_for_each_other(tmp_path: Path) -> None:
    def write(part: int) -> None:
        own = GalleryStore(tmp_path / "gallery.sqlite")
        for number in range(40):
            own.add([image(f"{part}-{number}", ONE)], "m")
        own.close()

    GalleryStore(tmp_path / "gallery.sqlite").close()
    threads = [threading.Thread(target=write, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert GalleryStore(tmp_path / "gallery.sqlite").embedded("m") == 160


def test_another_format_is_refused(store: GalleryStore, tmp_path: Path) -> None:
    store.close()
    with sqlite3.connect(tmp_path / "gallery.sqlite") as connection:
        connection.execute("PRAGMA user_version = 9")
    with pytest.raises(ValueError, match="gallery of format 9, this program reads 1"):
        GalleryStore(tmp_path / "gallery.sqlite")


def test_one_server_at_a_time_and_one_model(tmp_path: Path) -> None:
    with (
        open_gallery(tmp_path, "dwc-a"),
        pytest.raises(ValueError, match="another server uses this gallery"),
        open_gallery(tmp_path, "dwc-a"),
    ):
        pass
    with pytest.raises(ValueError, match="made for dwc-a, not dwc-b"), open_gallery(tmp_path, "dwc-b"):
        pass
    with open_gallery(tmp_path, "dwc-a"):
        pass


def test_pictures_of_no_image_are_swept_away(tmp_path: Path) -> None:
    with open_gallery(tmp_path, "dwc-a") as folder:
        folder.store.add([image("kept")], "m")
        for name in ("kept", "killed before it was noted"):
            folder.pictures.write(name, b"picture")
        half = next((tmp_path / "pictures").glob("*/*")).with_name(".half.webp.partial")
        half.write_bytes(b"pic")
    with open_gallery(tmp_path, "dwc-a") as folder:
        assert folder.pictures.read("kept") == b"picture"
        assert len([file for file in (tmp_path / "pictures").rglob("*") if file.is_file()]) == 1


@pytest.mark.parametrize("name", ["../../escape", "/etc/passwd", "a/../../b", "..", "\\..\\x"])
def test_no_id_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    folder = GalleryFolder.at(_made(tmp_path / "gallery"))
    folder.pictures.write(name, b"picture")
    assert folder.pictures.read(name) == b"picture"
    written = list(tmp_path.rglob("*.webp"))
    assert len(written) == 1 and written[0].is_relative_to(tmp_path / "gallery" / "pictures")
    folder.pictures.remove(name)
    assert folder.pictures.read(name) is None


def _made(path: Path) -> Path:
    path.mkdir()
    return path
