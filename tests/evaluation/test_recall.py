from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dwc.evaluation.recall import Ranking, rank


def search(queries, gallery, hits, masked=None, **options) -> Ranking:
    """Rank with one label for each gallery image, and the wanted label for each query."""
    return rank(
        torch.tensor(queries, dtype=torch.float32),
        torch.tensor(gallery, dtype=torch.float32),
        labels=torch.tensor(options.pop("labels", list(range(len(gallery))))),
        target_labels=torch.tensor(hits),
        masked=torch.tensor(masked if masked is not None else [-1] * len(queries)),
        **options,
    )


def test_the_hit_has_the_rank_that_is_plain_to_see():
    gallery = [[1, 0], [0, 1], [0.5, 0.5]]
    result = search([[1, 0], [1, 0], [1, 0]], gallery, hits=[0, 1, 2], top=3)
    assert result.rank_of_hit.tolist() == [1, 3, 2]
    assert result.top_positions.tolist() == [[0, 2, 1]] * 3
    assert result.top_scores.tolist() == [[1, 0.5, 0]] * 3


def test_negative_scores_and_negative_zero_sort_as_numbers():
    gallery = [[-2.0], [0.0], [-1.0], [-0.0], [3.0], [-1.5]]
    result = search([[1.0]], gallery, hits=[0], top=6)
    assert result.top_positions.tolist() == [[4, 1, 3, 2, 5, 0]]
    assert result.top_scores.tolist() == [[3.0, 0.0, 0.0, -1.0, -1.5, -2.0]]


def test_ties_stand_in_gallery_order_but_count_against_the_hit():
    for block in (1, 2, 3, 10):
        result = search([[1.0]], [[1.0]] * 5, hits=[0], top=5, gallery_block=block)
        assert result.top_positions.tolist() == [[0, 1, 2, 3, 4]]
        assert result.rank_of_hit.tolist() == [5]


def test_rounding_does_not_break_a_tie():
    result = search([[1.0]], [[1.0], [1.0 - 1e-7], [0.9]], hits=[0])
    assert result.rank_of_hit.tolist() == [2]


def test_the_reference_is_left_out_wherever_it_stands():
    gallery = [[0.9], [1.0], [0.5]]
    for block in (1, 2, 3):
        result = search([[1.0], [1.0]], gallery, hits=[0, 0], masked=[1, -1], top=3, gallery_block=block)
        assert result.rank_of_hit.tolist() == [1, 2]
        assert result.top_positions.tolist() == [[0, 2, -1], [1, 0, 2]]
        assert result.top_scores[0, 2] == -torch.inf


def test_no_hit_in_the_gallery_is_an_infinite_rank():
    result = search([[1.0], [1.0]], [[1.0], [0.5]], hits=[7, 0], masked=[-1, 0])
    assert result.rank_of_hit.tolist() == [torch.inf, torch.inf]  # unknown label; the only hit is masked


def test_the_best_of_several_hits_counts_and_hits_are_not_in_each_others_way():
    gallery = [[0.9], [0.8], [0.7], [0.6], [0.7]]
    result = search([[1.0]], gallery, hits=[1], labels=[0, 0, 1, 1, 1])
    assert result.rank_of_hit.tolist() == [3]


def test_rank_is_exact_beyond_the_top_list():
    gallery = [[1 - row / 1000] for row in range(1000)]
    result = search([[1.0]], gallery, hits=[998], top=2, gallery_block=64)
    assert result.rank_of_hit.tolist() == [999]
    assert result.top_positions.tolist() == [[0, 1]]


def test_a_diverged_model_is_refused():
    with pytest.raises(ValueError, match="gallery embedding is not finite"):
        search([[1.0]], [[float("nan")]], hits=[0])


@pytest.mark.parametrize("kind", [np.float32, np.float16])
def test_a_gallery_on_disk_is_ranked_as_one_in_memory(tmp_path: Path, kind):
    random = np.random.default_rng(0)
    embeddings = random.integers(-3, 4, (300, 8)).astype(kind)  # exact in both formats, with many ties
    np.save(tmp_path / "gallery.npy", embeddings)
    queries = torch.from_numpy(random.integers(-3, 4, (20, 8)).astype(np.float32))
    options = {
        "labels": torch.arange(300) % 90,
        "target_labels": torch.arange(20),
        "masked": torch.arange(20) + 5,
        "top": 7,
        "query_block": 8,
        "gallery_block": 64,
    }
    held = rank(queries, torch.from_numpy(embeddings.astype(np.float32)), **options)
    mapped = rank(queries, np.load(tmp_path / "gallery.npy", mmap_mode="r"), **options)
    assert torch.equal(held.top_positions, mapped.top_positions)
    assert torch.equal(held.top_scores, mapped.top_scores)
    assert torch.equal(held.rank_of_hit, mapped.rank_of_hit)


def test_a_defect_in_any_block_of_a_gallery_on_disk_is_found(tmp_path: Path):
    embeddings = np.ones((100, 2), dtype=np.float32)
    embeddings[77, 1] = np.inf
    np.save(tmp_path / "gallery.npy", embeddings)
    with pytest.raises(ValueError, match="gallery embedding is not finite"):
        rank(
            torch.ones(1, 2),
            np.load(tmp_path / "gallery.npy", mmap_mode="r"),
            labels=torch.arange(100),
            target_labels=torch.tensor([0]),
            masked=torch.tensor([-1]),
            gallery_block=16,
        )


def brute_force(queries, gallery, labels, targets, masked, top):
    """The definition, query by query, in python."""
    lists, ranks = [], []
    for query, target, own in zip(queries, targets, masked, strict=True):
        scores = {
            place: sum(a * b for a, b in zip(query, row, strict=True))
            for place, row in enumerate(gallery)
            if place != own
        }
        order = sorted(scores, key=lambda place: (-scores[place], place))[:top]
        lists.append(order + [-1] * (min(top, len(gallery)) - len(order)))
        hits = [score for place, score in scores.items() if labels[place] == target]
        others = [score for place, score in scores.items() if labels[place] != target]
        ranks.append(1 + sum(score >= max(hits) for score in others) if hits else torch.inf)
    return lists, ranks


@st.composite
def searches(draw):
    """Small whole numbers as embeddings: products are exact and ties are frequent."""
    dim, size, count = draw(st.integers(1, 3)), draw(st.integers(1, 12)), draw(st.integers(1, 6))
    rows = st.lists(st.integers(-2, 2), min_size=dim, max_size=dim)
    return {
        "queries": draw(st.lists(rows, min_size=count, max_size=count)),
        "gallery": draw(st.lists(rows, min_size=size, max_size=size)),
        "labels": draw(st.lists(st.integers(0, 4), min_size=size, max_size=size)),
        "targets": draw(st.lists(st.integers(0, 5), min_size=count, max_size=count)),
        "masked": draw(st.lists(st.integers(-1, size - 1), min_size=count, max_size=count)),
        "top": draw(st.integers(1, 15)),
    }


@settings(max_examples=150, deadline=None)
@given(searches(), st.integers(1, 7), st.integers(1, 13))
def test_streaming_equals_brute_force(case, query_block, gallery_block):
    result = search(
        case["queries"],
        case["gallery"],
        case["targets"],
        case["masked"],
        labels=case["labels"],
        top=case["top"],
        query_block=query_block,
        gallery_block=gallery_block,
    )
    lists, ranks = brute_force(**case)
    assert result.top_positions.tolist() == lists
    assert result.rank_of_hit.tolist() == ranks
