"""The parts of the method that studies switch off: editors and the learned image weight."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from dwc.config import Train
from dwc.model.bundle import load_bundle, save_bundle
from dwc.model.combiner import unit
from dwc.model.dwc import DWC, ModelConfig
from dwc.model.losses import contrastive_loss

SIZES = {"backbone": "resnet18", "dim": 16, "words": 11, "word_dim": 8, "clip_dim": 12, "resolution": 32}
SWITCHES = [
    {},
    {"editors": False},
    {"image_weight": "equal"},
    {"image_weight": "untrained"},
    {"editors": False, "image_weight": "equal"},
]
EDITORS = ("cnn.visual.", "cnn.image_editor.", "cnn.text_editor.", "clip.image_gate.", "clip.text_gate.")
MLPS = ("cnn.combiner.weight.", "clip.combiner.weight.")


def build(**switches: object) -> DWC:
    torch.manual_seed(0)
    return DWC(ModelConfig(**SIZES, dropout=0.0, **switches))


def batch() -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    images, targets = torch.randn(2, 3, 3, 32, 32, generator=generator)
    words = torch.randint(0, 11, (3, 5), generator=generator)
    mask = torch.arange(5) < torch.tensor([[5], [2], [4]])
    return (images, targets, words, mask, *torch.randn(3, 3, 12, generator=generator))


def total_loss(model: DWC) -> torch.Tensor:
    images, targets, words, mask, clip_images, clip_texts, clip_targets = batch()
    pairs = (
        (model.cnn.query(images, words, mask), model.cnn.target(targets)),
        (model.clip.query(clip_images, clip_texts), model.clip.target(clip_targets)),
    )
    labels = torch.arange(3)
    return sum(contrastive_loss(q.embedding, g, labels, alpha=0.2, temperature=0.07) for q, g in pairs)


def names(model: DWC, kept: Callable[[torch.nn.Parameter], object] = lambda _: True) -> set[str]:
    return {name for name, parameter in model.named_parameters() if kept(parameter)}


def test_the_default_is_the_paper() -> None:
    train = Train()
    assert (train.editors, train.image_weight) == (True, "learned")
    assert names(build()) == names(build(editors=True, image_weight="learned"))


@pytest.mark.parametrize("switches", SWITCHES)
def test_exactly_the_trainable_parameters_receive_gradients(switches: dict[str, object]) -> None:
    model = build(**switches)
    total_loss(model).backward()
    assert names(model, lambda p: p.grad is not None) == names(model, lambda p: p.requires_grad)
    fixed = names(model, lambda p: not p.requires_grad)
    untrained = switches.get("image_weight") == "untrained"
    assert fixed == ({name for name in names(model) if name.startswith(MLPS)} if untrained else set())


@pytest.mark.parametrize(
    ("switches", "gone"), [({"editors": False}, EDITORS), ({"image_weight": "equal"}, MLPS)]
)
def test_what_is_switched_off_does_not_exist(switches: dict[str, object], gone: tuple[str, ...]) -> None:
    everything = set(build().state_dict())
    left_out = everything - set(build(**switches).state_dict())
    assert left_out == {name for name in everything if name.startswith(gone)}


@torch.no_grad()
def test_without_editors_image_and_words_are_pooled_as_they_are() -> None:
    model = build(editors=False).eval()
    images, _, words, mask, clip_images, clip_texts, _ = batch()
    composed = model.cnn.compose(model.cnn.feature_map(images), words, mask)
    assert composed.attention is None
    pooled = model.cnn.feature_map(images).clamp(min=1e-6).pow(3).mean(dim=(2, 3)).pow(1 / 3)
    torch.testing.assert_close(composed.image, model.cnn.image_projection(pooled))
    second = model.cnn.encode_words(words, mask)[1, :2]  # two words long
    text = second.clamp(min=1e-6).pow(3).mean(dim=0).pow(1 / 3)
    torch.testing.assert_close(composed.text[1], model.cnn.text_projection(text))
    clip = model.clip.compose(clip_images, clip_texts)
    torch.testing.assert_close(clip.image, model.clip.target(clip_images))
    torch.testing.assert_close(clip.text, unit(model.clip.text_projection(clip_texts)))


@torch.no_grad()
def test_equal_weights_are_one_half_for_every_query() -> None:
    images, _, words, mask, clip_images, clip_texts, _ = batch()
    for switch, halves in (("learned", False), ("untrained", False), ("equal", True)):
        model = build(image_weight=switch).eval()
        cnn = model.cnn.compose(model.cnn.feature_map(images), words, mask)
        clip = model.clip.compose(clip_images, clip_texts)
        for composed in (cnn, clip):
            assert bool((composed.query.image_weight == 0.5).all()) == halves
            mean = unit(composed.image + composed.text)
            assert torch.allclose(composed.query.embedding, mean, atol=1e-6) == halves


def test_an_untrained_image_weight_stays_at_its_start_while_the_rest_learns() -> None:
    model = build(image_weight="untrained")
    before = {name: value.clone() for name, value in model.named_parameters()}
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2, weight_decay=1e-2)
    total_loss(model).backward()
    optimiser.step()
    still = {name for name, value in model.named_parameters() if torch.equal(value, before[name])}
    assert still == {name for name in before if name.startswith(MLPS)}


@pytest.mark.parametrize("switches", SWITCHES)
@torch.no_grad()
def test_a_saved_model_is_the_same(switches: dict[str, object], tmp_path: Path) -> None:
    model = build(**switches).eval()
    save_bundle(tmp_path, model)
    loaded = load_bundle(tmp_path)
    assert loaded.config == model.config
    assert names(loaded, lambda p: p.requires_grad) == names(model, lambda p: p.requires_grad)
    torch.testing.assert_close(total_loss(loaded), total_loss(model), rtol=0, atol=0)


def test_a_model_saved_before_there_were_switches_loads_as_the_paper(tmp_path: Path) -> None:
    save_bundle(tmp_path, build())
    config = json.loads((tmp_path / "config.json").read_text())
    del config["editors"], config["image_weight"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert load_bundle(tmp_path).config == build().config
