"""The index finds what an exact search finds, orders equals, and measures what a graph misses."""

from __future__ import annotations

import numpy as np
import pytest

from dwc.serving.index import Subset, VectorIndex


def index_of(vectors: np.ndarray, flat_limit: int = 1000) -> VectorIndex:
    index = VectorIndex(vectors.shape[1], expected=len(vectors), flat_limit=flat_limit)
    index.add(vectors)
    return index


def clustered(rows: int, dim: int = 32) -> np.ndarray:
    """Vectors of length √2 around forty centres, as pictures of a catalogue lie."""
    generator = np.random.default_rng(3)
    centres = generator.normal(size=(40, dim))
    vectors = centres[generator.integers(40, size=rows)] + 0.5 * generator.normal(size=(rows, dim))
    return (np.sqrt(2) * vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_scores_are_inner_products_best_first() -> None:
    index = index_of(np.array([[1, 0], [0, 1], [0.6, 0.8], [-1, 0]], dtype=np.float32))
    hits = index.search(np.array([[1, 0.5], [0, 1]], dtype=np.float32), 3)
    assert [found.rows.tolist() for found in hits] == [[0, 2, 1], [1, 2, 0]]
    assert hits[0].scores.tolist() == pytest.approx([1.0, 1.0, 0.5])
    assert hits[1].scores.tolist() == pytest.approx([1.0, 0.8, 0.0])


def test_equal_scores_keep_the_order_of_rows_in_batches_of_any_size() -> None:
    """Thirty copies of each of ten vectors: without care, rounding in larger batches mixes them."""
    originals = clustered(10, dim=37)
    index = index_of(np.tile(originals, (30, 1)))
    queries = clustered(64, dim=37)
    for size in (1, 8, 64):
        for hits in index.search(queries[:size], 45):
            assert len(hits.rows) == 45
            for original in range(10):
                copies = hits.rows[hits.rows % 10 == original].tolist()
                assert copies == [original + 10 * copy for copy in range(len(copies))]


def test_more_wanted_than_there_are() -> None:
    vectors = clustered(5)
    index = index_of(vectors)
    assert sorted(index.search(vectors[:1], 200)[0].rows.tolist()) == [0, 1, 2, 3, 4]
    assert VectorIndex(32, expected=0).search(vectors[:1], 3)[0].rows.tolist() == []


@pytest.mark.parametrize("flat_limit", [1000, 10])
def test_a_subset_is_searched_exactly(flat_limit: int) -> None:
    vectors = clustered(600)
    index = index_of(vectors, flat_limit)
    rows = np.arange(5, 600, 7)
    query = vectors[:1] + vectors[1:2]
    hits = index.search(query, 20, Subset(rows, 600), exact=True)[0]
    expected = rows[np.argsort(-(vectors[rows] @ query[0]), kind="stable")][:20]
    assert hits.rows.tolist() == expected.tolist()


def test_above_the_limit_it_is_a_graph_whose_recall_is_measured() -> None:
    vectors = clustered(4000)
    index = index_of(vectors, flat_limit=1000)
    assert index.kind == "hnsw"
    assert 0.95 < index.measure_recall() <= 1.0
    queries = vectors[:300] + vectors[300:600]
    exact = [np.argsort(-(vectors @ query), kind="stable")[:10] for query in queries]
    found = [hits.rows for hits in index.search(queries, 10)]
    shares = [len(np.intersect1d(a, b)) / 10 for a, b in zip(found, exact, strict=True)]
    assert np.mean(shares) == pytest.approx(index.recall_at_10, abs=0.04)


def test_a_poor_graph_is_said_to_be_poor() -> None:
    """A graph of two links for each image, made in haste, misses much; the figure must show it."""
    good = index_of(clustered(4000), flat_limit=1000)
    poor = VectorIndex(32, expected=4000, flat_limit=1000)
    poor._graph.hnsw.efConstruction = 1
    poor._graph.hnsw.set_nb_neighbors(0, 2)
    poor.add(np.random.default_rng(0).normal(size=(4000, 32)).astype(np.float32))
    assert poor.measure_recall() < 0.9 < good.measure_recall()


def test_rows_added_later_are_found_and_the_vectors_are_those_given() -> None:
    vectors = clustered(300)
    for flat_limit in (1000, 10):
        index = index_of(vectors[:200], flat_limit)
        index.add(vectors[200:])
        assert len(index) == 300
        assert np.array_equal(index.vectors(), vectors)
        assert index.search(vectors[250:251], 1)[0].rows.tolist() == [250]
