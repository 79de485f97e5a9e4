"""The formulas with gradients of their own: values by plain operations, gradients by finite differences."""

from __future__ import annotations

import pytest
import torch

from dwc.model.rows import mean_power, normalise_rows

MASK = torch.tensor([[True, True, True], [True, False, False]])


@pytest.mark.parametrize("mask", [None, MASK])
def test_mean_power(mask: torch.Tensor | None) -> None:
    torch.manual_seed(0)
    rows = (torch.rand(2, 3, 4, dtype=torch.float64) - 0.3).requires_grad_()
    p = torch.tensor([2.5], dtype=torch.float64, requires_grad=True)
    counted = torch.ones(2, 3, 1) if mask is None else mask.unsqueeze(2)
    expected = (rows.clamp(min=0.05).pow(p) * counted).sum(dim=1) / counted.sum(dim=1)
    torch.testing.assert_close(mean_power(rows, p, 0.05, mask), expected, rtol=1e-12, atol=0)
    assert torch.autograd.gradcheck(lambda rows, p: mean_power(rows, p, 0.05, mask), (rows, p))


def test_normalised_rows() -> None:
    torch.manual_seed(0)
    weights = MASK.unsqueeze(2).double()
    rows = (torch.randn(2, 3, 4, dtype=torch.float64) * weights).requires_grad_()
    normal, mean, variance, count = normalise_rows(rows, weights, 1e-5)
    assert count == weights.sum()
    counted = rows[MASK]
    torch.testing.assert_close(mean, counted.mean(dim=0))
    torch.testing.assert_close(variance, counted.var(dim=0, unbiased=False))
    torch.testing.assert_close(normal[MASK], (counted - mean) / (variance + 1e-5).sqrt())
    assert not normal[~MASK].any()
    assert not mean.requires_grad
    assert torch.autograd.gradcheck(lambda x: normalise_rows(x * weights, weights, 1e-5)[0], (rows,))
