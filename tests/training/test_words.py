"""Learning words: the loss by hand, and that a tower which learnt them tells texts apart by any word."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from dwc.model.clip import FrozenClip
from dwc.training.words import learn_words, text_tower, words_loss
from tests.serving.tiny import CLIP

TEXTS = [f"{one} {two}" for one in ("longer", "shorter", "no") for two in ("sleeves", "hem", "belt")] * 4
SETTINGS = {"batch_size": 12, "learning_rate": 3e-3, "weight_decay": 0.0, "warmup": 0.1, "seed": 1}


def tiny(folder: Path) -> FrozenClip:
    architecture = folder / "tiny-clip.json"
    architecture.write_text(json.dumps(CLIP))
    torch.manual_seed(0)
    return FrozenClip.create(str(architecture), None)


def test_the_loss_is_the_cross_entropy_against_the_words_present() -> None:
    logits = torch.tensor([[0.0, 0.0, math.log(2.0)]])
    present = torch.tensor([[True, False, True]])
    # softmax = 1/4, 1/4, 1/2: half of -log(1/4) and half of -log(1/2)
    assert words_loss(logits, present).item() == pytest.approx(1.5 * math.log(2.0))


def test_words_are_learnt_and_only_the_text_tower_changes(tmp_path: Path) -> None:
    clip = tiny(tmp_path)
    before = {name: value.clone() for name, value in clip.network.state_dict().items()}
    first = learn_words(clip, TEXTS, epochs=1, bf16=False, **SETTINGS)  # type: ignore[arg-type]
    last = learn_words(clip, TEXTS, epochs=40, bf16=False, **SETTINGS)  # type: ignore[arg-type]
    entropy = math.log(2.0)  # of two words a text: the least the loss can be
    assert entropy < last < entropy + 0.25 < first
    changed = {
        name for name, value in clip.network.state_dict().items() if not torch.equal(value, before[name])
    }
    text = {id(weight) for weight in text_tower(clip.network)}
    names = {name for name, weight in clip.network.named_parameters() if id(weight) in text}
    assert changed and changed <= names


def test_too_few_texts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"embed\.adapt\.text_epochs: 3 training texts"):
        learn_words(tiny(tmp_path), TEXTS[:3], epochs=1, bf16=False, **SETTINGS)  # type: ignore[arg-type]
