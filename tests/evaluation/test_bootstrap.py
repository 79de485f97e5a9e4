import numpy as np
import pytest

from dwc.evaluation.bootstrap import Resampling, mean_intervals, paired_difference

RESAMPLING = Resampling(resamples=1000, seed=3)


def column(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64)[:, None]


def test_the_mean_counts_categories_not_queries():
    result = mean_intervals({"a": column(1, 1, 1, 1), "b": column(0, 0)}, RESAMPLING)
    assert [result[name][0].value for name in ("mean", "a", "b")] == [0.5, 1, 0]


def test_without_variation_the_interval_is_the_value():
    interval = mean_intervals({"a": column(1, 1, 1), "b": column(0.5, 0.5)}, RESAMPLING)["mean"][0]
    assert (interval.low, interval.value, interval.high) == (0.75, 0.75, 0.75)


def test_strata_are_resampled_apart():
    """All of a hit and none of b: resampling across categories would give variation, within gives none."""
    interval = mean_intervals({"a": column(*[1.0] * 50), "b": column(*[0.0] * 50)}, RESAMPLING)["mean"][0]
    assert (interval.low, interval.high) == (0.5, 0.5)


def test_the_interval_is_the_binomials():
    """300 of 400 hits: the normal approximation gives 0.75 ± 1.96·sqrt(0.75·0.25/400) = 0.75 ± 0.0424."""
    values = {"a": column(*[1.0] * 300, *[0.0] * 100)}
    interval = mean_intervals(values, Resampling(resamples=4000))["a"][0]
    assert interval.low == pytest.approx(0.75 - 0.0424, abs=0.006)
    assert interval.high == pytest.approx(0.75 + 0.0424, abs=0.006)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    generator = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        values = (generator.random(100) < 0.4).astype(float)[:, None]
        interval = mean_intervals({"a": values}, Resampling(resamples=300, confidence=0.9))["a"][0]
        covered += interval.low <= 0.4 <= interval.high
    assert 165 <= covered <= 195


def test_undefined_values_are_left_out():
    result = mean_intervals({"a": np.array([[1.0, np.nan], [np.nan, np.nan], [0.0, np.nan]])}, RESAMPLING)
    assert result["a"][0].value == 0.5
    assert all(np.isnan([result["a"][1].value, result["a"][1].low, result["a"][1].high]))


def test_the_same_seed_gives_the_same_interval_and_another_does_not():
    values = {"a": np.random.default_rng(1).random((30, 1))}
    first, again, other = (mean_intervals(values, Resampling(seed=seed)) for seed in (1, 1, 2))
    assert first == again != other


def test_blocks_bound_the_memory_and_keep_the_number_of_resamples(monkeypatch):
    monkeypatch.setattr("dwc.evaluation.bootstrap._CELLS", 100)
    values = {"a": column(*[1.0] * 300, *[0.0] * 100)}
    interval = mean_intervals(values, Resampling(resamples=1001))["a"][0]
    assert interval.low == pytest.approx(0.708, abs=0.01)


def test_a_paired_difference_knows_that_the_queries_are_the_same():
    """One system is better by exactly 0.1 on every query: however the queries vary, so is the difference."""
    second = {"a": np.random.default_rng(0).random(40), "b": np.random.default_rng(1).random(20)}
    first = {category: values + 0.1 for category, values in second.items()}
    interval = paired_difference(first, second, RESAMPLING)
    assert [interval.low, interval.value, interval.high] == pytest.approx([0.1, 0.1, 0.1])


def test_a_difference_of_other_queries_is_refused():
    with pytest.raises(ValueError, match="same queries"):
        paired_difference({"a": np.zeros(3)}, {"a": np.zeros(4)}, RESAMPLING)
