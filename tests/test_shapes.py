"""Shapes in signatures are checked while the tests run: what pyproject.toml switches on is on."""

import pytest
import torch
from jaxtyping import TypeCheckError

from dwc.model.combiner import WeightedCombiner


def test_a_wrong_shape_is_found_at_the_call() -> None:
    combiner = WeightedCombiner(4)
    combiner(torch.ones(2, 4), torch.ones(2, 4))
    with pytest.raises(TypeCheckError):
        combiner(torch.ones(2, 4), torch.ones(3, 4))
