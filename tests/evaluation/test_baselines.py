import pytest
import torch

from dwc.evaluation.baselines import baseline_gallery, baseline_queries


def test_image_and_text_weigh_the_same_whatever_their_lengths():
    queries = baseline_queries(torch.tensor([[10.0, 0.0]]), torch.tensor([[0.0, 0.5]]))
    assert queries["clip_image_only"].tolist() == [[1, 0]]
    assert queries["clip_text_only"].tolist() == [[0, 1]]
    assert queries["clip_sum"].flatten().tolist() == pytest.approx([0.5**0.5, 0.5**0.5])


def test_long_gallery_vectors_have_no_advantage():
    assert baseline_gallery(torch.tensor([[3.0, 4.0]])).flatten().tolist() == pytest.approx([0.6, 0.8])
