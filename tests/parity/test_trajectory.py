"""Four alternating steps from the reference weights give the released network's losses."""

from __future__ import annotations

import pytest

from tests.parity.compare import trajectory_errors
from tests.parity.fill import reference_model


@pytest.mark.parametrize("teacher_image", ["target", "reference"])
def test_alternating_steps(teacher_image: str) -> None:
    errors = trajectory_errors(reference_model(), teacher_image)
    assert len(errors) == 4 * 4
    assert {name: error for name, error in errors.items() if error > 1e-8} == {}
