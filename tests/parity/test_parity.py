"""Our network gives what the released network gives, in float64, to rounding."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from dwc.model.combiner import unit
from dwc.model.dwc import DWC
from dwc.model.losses import contrastive_loss, mutual_loss
from dwc.model.released_names import our_name
from tests.parity.fill import REFERENCE, normal, reference_model, released_shapes, value

VECTORS = dict(np.load(REFERENCE / "vectors.npz"))
INPUTS = json.loads((REFERENCE / "inputs.json").read_text())
LOSS = {"alpha": 0.2, "temperature": 0.07}


def drawn(name: str, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.from_numpy(normal(name, shape)).to(dtype)


def inputs(prefix: str, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    return {
        "reference": drawn(f"{prefix}.reference_images", 4, 3, 96, 96, dtype=dtype),
        "target": drawn(f"{prefix}.target_images", 4, 3, 96, 96, dtype=dtype),
        "clip_reference": drawn(f"{prefix}.clip_reference_image_embeddings", 4, 1024, dtype=dtype),
        "clip_text": drawn(f"{prefix}.clip_text_embeddings", 4, 1024, dtype=dtype),
        "clip_target": drawn(f"{prefix}.clip_target_image_embeddings", 4, 1024, dtype=dtype),
    }


WORDS = torch.tensor(INPUTS["token_ids"])
MASK = torch.ones_like(WORDS, dtype=torch.bool)
LABELS = torch.tensor(INPUTS["labels"])


@pytest.fixture(scope="module")
def model() -> DWC:
    return reference_model()


@pytest.fixture(scope="module")
def ours(model: DWC) -> dict[str, Tensor]:
    """Our value of every reference array, by its name."""
    with torch.no_grad():
        return outputs(model, inputs("input"))


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
        "cnn_contrastive_loss": contrastive_loss(*cnn_pair, LABELS, **LOSS),
        "clip_contrastive_loss": contrastive_loss(*clip_pair, LABELS, **LOSS),
        "cnn_mutual_loss": mutual_loss(*cnn_pair, *clip_pair),
        "clip_mutual_loss": mutual_loss(*clip_pair, *cnn_pair),
    }


def text_feature(words: Tensor) -> Tensor:
    """The released text head, which takes no part in the query and so is not in our network."""
    name = "cnn_stream.txt_model.fc_output.1"
    weight = torch.from_numpy(value(f"{name}.weight", (1024, 1024))).to(words.dtype)
    bias = torch.from_numpy(value(f"{name}.bias", (1024,))).to(words.dtype)
    return unit(F.linear(words[:, -1], weight, bias))


def relative_error(ours: Tensor, reference: np.ndarray) -> float:
    theirs = torch.from_numpy(np.asarray(reference))
    return float((ours.double() - theirs).norm() / theirs.norm())


@pytest.mark.parametrize("name", sorted(VECTORS))
def test_output(name: str, ours: dict[str, Tensor]) -> None:
    assert ours[name].shape == VECTORS[name].shape
    assert relative_error(ours[name], VECTORS[name]) <= 1e-9


def test_no_reference_vector_is_left_out(ours: dict[str, Tensor]) -> None:
    assert set(ours) == set(VECTORS)


def test_every_parameter_of_ours_has_a_released_name(model: DWC) -> None:
    mapped = {our_name(name) for name in released_shapes()} - {None}
    assert mapped == set(model.state_dict())


def losses(model: DWC, x: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Total loss of each stream, the other one being the teacher."""
    cnn = (model.cnn.query(x["reference"], WORDS, MASK).embedding, model.cnn.target(x["target"]))
    clip = (
        model.clip.query(x["clip_reference"], x["clip_text"]).embedding,
        model.clip.target(x["clip_target"]),
    )
    yield "clip_stream", contrastive_loss(*clip, LABELS, **LOSS) + mutual_loss(*clip, *cnn)
    yield "cnn_stream", contrastive_loss(*cnn, LABELS, **LOSS) + mutual_loss(*cnn, *clip)


def test_gradient_norms() -> None:
    expected = json.loads((REFERENCE / "gradient_norms.json").read_text())
    model = reference_model()
    for stream, loss in losses(model, inputs("input")):
        model.zero_grad()
        loss.backward()
        parameters = dict(model.named_parameters())
        used = {ours: norm for name, norm in expected[stream].items() if (ours := our_name(name))}
        prefix = stream.removesuffix("_stream")
        assert set(used) == {name for name in parameters if name.startswith(f"{prefix}.")}
        for name, norm in used.items():
            assert parameters[name].grad is not None
            assert parameters[name].grad.norm().item() == pytest.approx(norm, rel=1e-8), name
