"""Four alternating steps from the reference weights give the released network's losses."""

from __future__ import annotations

import json

import pytest
import torch

from dwc.training.batches import Batch
from dwc.training.optimiser import build_adam
from dwc.training.step import LossSettings, Optimisers, alternating_step
from tests.parity.fill import REFERENCE, reference_model
from tests.parity.test_parity import LABELS, MASK, WORDS, inputs

TRAJECTORY = json.loads((REFERENCE / "trajectory.json").read_text())


@pytest.mark.parametrize("teacher_image", ["target", "reference"])
def test_alternating_steps(teacher_image: str) -> None:
    model = reference_model()
    optimisers = Optimisers(
        *(build_adam(s.parameters(), learning_rate=1e-4, weight_decay=1e-6) for s in (model.cnn, model.clip))
    )
    for number, expected in enumerate(TRAJECTORY[teacher_image]):
        batch = Batch(words=WORDS, mask=MASK, labels=LABELS, **inputs(f"step{number}"))
        losses = alternating_step(model, batch, optimisers, LossSettings(teacher_image=teacher_image))
        for name, value in losses._asdict().items():
            assert value.dtype == torch.float64
            assert value.item() == pytest.approx(expected[name], rel=1e-8), (number, name)
