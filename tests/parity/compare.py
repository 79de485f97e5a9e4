"""How far our network is from the released one: relative errors by name, for tests to bound."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dwc.model.combiner import unit
from dwc.model.dwc import DWC
from dwc.model.losses import contrastive_loss, mutual_loss
from dwc.model.released_names import our_name
from dwc.training.batches import Batch
from dwc.training.optimiser import build_adam
from dwc.training.step import LossSettings, Optimisers, alternating_step
from tests.parity.fill import REFERENCE, normal, value

Errors = dict[str, float]

VECTORS = dict(np.load(REFERENCE / "vectors.npz"))
INPUTS = json.loads((REFERENCE / "inputs.json").read_text())
GRADIENT_NORMS = json.loads((REFERENCE / "gradient_norms.json").read_text())
TRAJECTORY = json.loads((REFERENCE / "trajectory.json").read_text())
WORDS = torch.tensor(INPUTS["token_ids"])
MASK = torch.ones_like(WORDS, dtype=torch.bool)
LABELS = torch.tensor(INPUTS["labels"])
LOSS = LossSettings()


@cache
def inputs(prefix: str, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    """Pictures and CLIP embeddings of the reference, by the names that `Batch` gives them."""

    def drawn(name: str, *shape: int) -> Tensor:
        return torch.from_numpy(normal(f"{prefix}.{name}", shape)).to(dtype)

    return {
        "reference": drawn("reference_images", 4, 3, 96, 96),
        "target": drawn("target_images", 4, 3, 96, 96),
        "clip_reference": drawn("clip_reference_image_embeddings", 4, 1024),
        "clip_text": drawn("clip_text_embeddings", 4, 1024),
        "clip_target": drawn("clip_target_image_embeddings", 4, 1024),
    }


def batch(prefix: str, dtype: torch.dtype = torch.float64) -> Batch:
    return Batch(words=WORDS, mask=MASK, labels=LABELS, **inputs(prefix, dtype))


def relative_error(ours: Tensor, reference: np.ndarray | float) -> float:
    """Norm of the difference over the norm of the reference."""
    theirs = torch.from_numpy(np.asarray(reference))
    assert ours.shape == theirs.shape
    return float((ours.detach().double() - theirs).norm() / theirs.norm())


@torch.no_grad()
def output_errors(model: DWC, dtype: torch.dtype = torch.float64) -> Errors:
    """Error of every reference vector: embeddings, weights, attentions and losses."""
    ours = outputs(model, inputs("input", dtype))
    assert set(ours) == set(VECTORS)
    return {name: relative_error(value, VECTORS[name]) for name, value in ours.items()}


def outputs(model: DWC, x: dict[str, Tensor]) -> dict[str, Tensor]:
    gates: list[Tensor] = []
    handle = model.cnn.image_editor.gate.register_forward_hook(lambda *a: gates.append(a[2].sigmoid()))
    feature_map = model.cnn.feature_map(x["reference"])
    cnn = model.cnn.compose(feature_map, WORDS, MASK)
    handle.remove()
    clip = model.clip.compose(x["clip_reference"], x["clip_text"])
    cnn_target, clip_target = model.cnn.target(x["target"]), model.clip.target(x["clip_target"])
    words = model.cnn.encode_words(WORDS, MASK)
    cnn_pair, clip_pair = (cnn.query.embedding, cnn_target), (clip.query.embedding, clip_target)
    losses = {"alpha": LOSS.alpha, "temperature": LOSS.temperature}
    assert cnn.attention is not None
    return {
        "cnn_query": cnn.query.embedding,
        "cnn_image_weight": cnn.query.image_weight[:, None],
        "cnn_edited_image": cnn.image,
        "cnn_edited_text": cnn.text,
        "cnn_gate_mean": gates[0].mean(dim=(2, 3)),
        "cnn_feature_map_mean": feature_map.mean(dim=(2, 3)),
        "cnn_text_feature": text_feature(words),
        "cnn_reference_feature": model.cnn.embed(feature_map),
        "cnn_target": cnn_target,
        "cnn_words": words,
        "cnn_word_attention": cnn.attention.word_attention,
        "cnn_spatial_attention": cnn.attention.spatial_attention,
        "clip_query": clip.query.embedding,
        "clip_image_weight": clip.query.image_weight[:, None],
        "clip_edited_image": clip.image,
        "clip_edited_text": clip.text,
        "clip_target": clip_target,
        "cnn_contrastive_loss": contrastive_loss(*cnn_pair, LABELS, **losses),
        "clip_contrastive_loss": contrastive_loss(*clip_pair, LABELS, **losses),
        "cnn_mutual_loss": mutual_loss(*cnn_pair, *clip_pair),
        "clip_mutual_loss": mutual_loss(*clip_pair, *cnn_pair),
    }


def text_feature(words: Tensor) -> Tensor:
    """The released text head, which takes no part in the query and so is not in our network."""
    name = "cnn_stream.txt_model.fc_output.1"
    weight = torch.from_numpy(value(f"{name}.weight", (1024, 1024))).to(words.dtype)
    bias = torch.from_numpy(value(f"{name}.bias", (1024,))).to(words.dtype)
    return unit(F.linear(words[:, -1], weight, bias))


def gradient_errors(model: DWC, *streams: str, dtype: torch.dtype = torch.float64) -> Errors:
    """Error of the norm of every parameter's gradient, of `streams` (`cnn`, `clip`)."""
    errors: Errors = {}
    x = inputs("input", dtype)
    model.zero_grad()
    with torch.set_grad_enabled("cnn" in streams):
        cnn = (model.cnn.query(x["reference"], WORDS, MASK).embedding, model.cnn.target(x["target"]))
    clip = (
        model.clip.query(x["clip_reference"], x["clip_text"]).embedding,
        model.clip.target(x["clip_target"]),
    )
    for stream, student, teacher in (("cnn", cnn, clip), ("clip", clip, cnn)):
        if stream in streams:
            contrastive = contrastive_loss(*student, LABELS, alpha=LOSS.alpha, temperature=LOSS.temperature)
            (contrastive + mutual_loss(*student, *teacher)).backward()
            errors |= dict(_norm_errors(model, stream))
    model.zero_grad()
    return errors


def _norm_errors(model: DWC, stream: str) -> Iterator[tuple[str, float]]:
    parameters = {name: p for name, p in model.named_parameters() if name.startswith(f"{stream}.")}
    expected = {our_name(name): norm for name, norm in GRADIENT_NORMS[f"{stream}_stream"].items()}
    assert set(parameters) == set(expected) - {None}
    for name, parameter in parameters.items():
        assert parameter.grad is not None, name
        yield name, relative_error(parameter.grad.norm(), expected[name])


def trajectory_errors(model: DWC, teacher_image: str, steps: int = 4) -> Errors:
    """Error of the four losses over alternating updates, which change `model`."""
    optimisers = Optimisers(
        *(build_adam(s.parameters(), learning_rate=1e-4, weight_decay=1e-6) for s in (model.cnn, model.clip))
    )
    errors: Errors = {}
    for number, expected in enumerate(TRAJECTORY[teacher_image][:steps]):
        settings = LossSettings(teacher_image=teacher_image)
        losses = alternating_step(model, batch(f"step{number}"), optimisers, settings)
        for name, loss in losses._asdict().items():
            errors[f"step {number} {name}"] = relative_error(loss, expected[name])
    return errors


@torch.no_grad()
def padding_errors(model: DWC) -> Errors:
    """Difference between texts in a padded batch and each of them alone."""
    feature_map = model.cnn.feature_map(inputs("input")["reference"])
    lengths = torch.tensor([2, 5, 3, 4])
    mask = torch.arange(5) < lengths[:, None]
    words = WORDS.masked_fill(~mask, 0)
    together = model.cnn.compose(feature_map, words, mask).query.embedding
    alone = torch.cat(
        [
            model.cnn.compose(
                feature_map[row : row + 1], words[row : row + 1, :length], mask[row : row + 1, :length]
            ).query.embedding
            for row, length in enumerate(lengths)
        ]
    )
    return {f"text {row}": relative_error(together[row], alone[row].numpy()) for row in range(len(lengths))}
