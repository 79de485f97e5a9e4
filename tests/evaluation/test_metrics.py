import numpy as np
import pytest

from dwc.evaluation.metrics import measure_of, query_measures

RANKS = np.array([1.0, 2.0, 10.0, 11.0, np.inf])
TOP = np.zeros((5, 10), dtype=np.int64)


def test_recall_and_reciprocal_rank_of_each_query():
    measures = query_measures(RANKS, TOP, None, recall_at=[1, 10])
    assert list(measures) == ["recall_at_1", "recall_at_10", "mrr"]
    assert measures["recall_at_1"].tolist() == [1, 0, 0, 0, 0]
    assert measures["recall_at_10"].tolist() == [1, 1, 1, 0, 0]
    assert measures["mrr"].tolist() == [1, 0.5, 0.1, 1 / 11, 0]


def test_relevant_recall_is_divided_by_what_could_have_been_found():
    top = np.array([[5, 1, 2, 9], [3, 4, 5, -1]])
    relevant = [np.array([1, 2, 7]), np.array([4])]
    measures = query_measures(np.ones(2), top, relevant, recall_at=[1, 2, 4])
    assert measures["relevant_recall_at_1"].tolist() == [0, 0]
    assert measures["relevant_recall_at_2"].tolist() == [1 / 2, 1]
    assert measures["relevant_recall_at_4"].tolist() == pytest.approx([2 / 3, 1])


def test_a_perfect_ranking_scores_one_at_every_k():
    measures = query_measures(
        np.ones(1), np.array([[1, 2, 7, 0]]), [np.array([1, 2, 7])], recall_at=[1, 2, 4]
    )
    assert [float(measures[f"relevant_recall_at_{k}"][0]) for k in (1, 2, 4)] == [1, 1, 1]


def test_no_relevant_image_is_undefined_not_zero():
    nothing = np.array([], dtype=np.int64)
    measures = query_measures(np.ones(1), np.array([[1]]), [nothing], recall_at=[1])
    assert np.isnan(measures["relevant_recall_at_1"][0])


def test_an_absent_place_is_no_relevant_image():
    measures = query_measures(np.ones(1), np.array([[0, -1]]), [np.array([4, 5])], recall_at=[2])
    assert measures["relevant_recall_at_2"].tolist() == [0]


def test_lists_too_short_to_tell_are_refused():
    with pytest.raises(ValueError, match="needs ranked lists of 3"):
        query_measures(np.ones(1), np.array([[1, 2]]), [np.array([1, 2, 3])], recall_at=[3])


def test_measures_by_name():
    assert measure_of(RANKS, "recall_at_2").tolist() == [1, 1, 0, 0, 0]
    assert measure_of(RANKS, "mrr")[1] == 0.5
    with pytest.raises(ValueError, match="`loss` is no measure of ranks"):
        measure_of(RANKS, "loss")
