"""Images added, removed, browsed and searched while others do the same."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from dwc.serving.live_gallery import Chunk, LiveGallery

SHAPES = np.array([[1, 0, 0, 1], [0, 1, 0, 1], [0.6, 0.8, 1, 0], [1, 0, 0, 1]], dtype=np.float32)


@pytest.fixture
def gallery() -> LiveGallery:
    """Four images; the first and the last have the same embedding."""
    found = LiveGallery(4, expected=4)
    found.add(
        Chunk(
            ["dress-1", "shirt-1", "shirt-2", "dress-2"],
            [("dress",), ("shirt",), (), ("dress", "new")],
            SHAPES,
        )
    )
    return found


def ids(found: list[list[tuple[str, float]]]) -> list[str]:
    return [image_id for image_id, _ in found[0]]


def test_search_in_all_and_in_a_category(gallery: LiveGallery) -> None:
    query = np.array([[1, 0, 0, 0.5]], dtype=np.float32)
    assert ids(gallery.search(query, 3)) == ["dress-1", "dress-2", "shirt-2"]
    assert ids(gallery.search(query, 3, "dress")) == ["dress-1", "dress-2"]
    assert ids(gallery.search(query, 3, "hats")) == []
    assert gallery.categories == ["dress", "new", "shirt"]


def test_what_is_removed_is_not_found_and_may_come_again(gallery: LiveGallery) -> None:
    query = SHAPES[:1]
    gallery.remove("dress-1")
    assert ids(gallery.search(query, 9)) == ["dress-2", "shirt-1", "shirt-2"]
    assert ids(gallery.search(query, 9, "dress")) == ["dress-2"]
    assert "dress-1" not in gallery and len(gallery) == 3
    gallery.add(Chunk(["dress-1"], [("hat",)], SHAPES[:1]))
    assert ids(gallery.search(query, 2)) == ["dress-2", "dress-1"]  # it now is the youngest
    assert gallery.categories_of("dress-1") == ("hat",)
    gallery.remove("dress-2")
    assert gallery.categories == ["hat", "shirt"]
    with pytest.raises(KeyError):
        gallery.remove("dress-2")


def test_streams_are_halves_of_what_is_searched(gallery: LiveGallery) -> None:
    names, streams = gallery.streams(None)
    assert names == ["dress-1", "shirt-1", "shirt-2", "dress-2"]
    assert streams.cnn.tolist() == SHAPES[:, :2].tolist() and streams.clip.tolist() == SHAPES[:, 2:].tolist()
    gallery.remove("shirt-1")
    names, streams = gallery.streams(None)
    assert names == ["dress-1", "shirt-2", "dress-2"]
    assert streams.clip.tolist() == SHAPES[[0, 2, 3], 2:].tolist()
    assert gallery.streams("new")[0] == ["dress-2"]


def test_browsing(gallery: LiveGallery) -> None:
    def browse(**changes: object) -> tuple[int, list[str]]:
        wanted: dict[str, object] = {"category": None, "part": "", "offset": 0, "limit": 9, "shuffle": None}
        page = gallery.browse(**(wanted | changes))  # type: ignore[arg-type]
        return page.total, page.ids

    assert browse() == (4, ["dress-1", "shirt-1", "shirt-2", "dress-2"])
    assert browse(offset=1, limit=2) == (4, ["shirt-1", "shirt-2"])
    assert browse(part="SHIRT") == (2, ["shirt-1", "shirt-2"])
    assert browse(category="dress", part="2") == (1, ["dress-2"])
    orders = {tuple(browse(shuffle=seed)[1]) for seed in range(20)}
    assert len(orders) > 5
    assert browse(shuffle=3, limit=2)[1] + browse(shuffle=3, offset=2)[1] == browse(shuffle=3)[1]
    assert browse(offset=99) == (4, [])


def test_worn_by_removals_and_by_growth() -> None:
    vectors = np.eye(2, dtype=np.float32).repeat(2000, axis=0)
    gallery = LiveGallery(2, expected=4000, flat_limit=3900)
    grown = LiveGallery(2, expected=0, flat_limit=3000)
    for one in (gallery, grown):
        one.add(Chunk([str(row) for row in range(4000)], [()] * 4000, vectors))
    assert grown.worn and grown.kind == "flat"
    assert gallery.kind == "hnsw" and not gallery.worn
    for row in range(1001):
        gallery.remove(str(row))
    assert gallery.worn


def test_searching_while_images_come_and_go(gallery: LiveGallery) -> None:
    """What is found always has a name, and what is always there is always found."""
    ended = threading.Event()

    def change() -> None:
        for number in range(2000):
            gallery.add(Chunk([f"new-{number}"], [("dress",)], SHAPES[1:2]))
            if number % 2:
                gallery.remove(f"new-{number}")
        ended.set()

    thread = threading.Thread(target=change)
    thread.start()
    searches = 0
    while not ended.is_set() or not searches:
        assert ids(gallery.search(SHAPES[:1], 2, "dress" if searches % 2 else None)) == ["dress-1", "dress-2"]
        searches += 1
    thread.join()
    assert len(gallery) == 1004
