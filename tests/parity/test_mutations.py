"""The parity comparison notices when any one formula is changed.

Each mutation rewrites one expression in the source of one function; what the parity tests compare must then
differ by far more than they allow.
"""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch

from dwc.model.dwc import DWC
from dwc.training import step
from tests.parity.compare import (
    Errors,
    gradient_errors,
    inputs,
    output_errors,
    padding_errors,
    trajectory_errors,
)
from tests.parity.fill import reference_model

SEEN = 1e-6  # a hundred times what the parity tests allow


class Mutation(NamedTuple):
    """In `function` of `module`, the expression `old` becomes `new`; `compare` must notice."""

    module: str
    function: str
    old: str
    new: str
    compare: Callable[[DWC], Errors] = output_errors


def clip_gradients(model: DWC) -> Errors:
    return gradient_errors(model, "clip")


def first_clip_losses(model: DWC) -> Errors:
    """Losses of the trajectory's first step that precede any update; `model` is not updated."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(step, "_update", lambda *_: None)
        errors = trajectory_errors(model, "target", steps=1)
    return {name: error for name, error in errors.items() if name != "step 0 cnn_mutual"}


ATTENTION = ("dwc.model.attention", "cross_attention")
LOSS = ("dwc.model.losses", "contrastive_loss")
MUTUAL = ("dwc.model.losses", "mutual_loss")
EDITOR = "dwc.model.editors"
CNN, CLIP = "dwc.model.cnn_stream", "dwc.model.clip_stream"
COMBINER = "dwc.model.combiner"

MUTATIONS = {
    "word attention over locations": Mutation(*ATTENTION, "softmax(dim=1)", "softmax(dim=2)"),
    "spatial attention over words": Mutation(*ATTENTION, "softmax(dim=2)", "softmax(dim=1)"),
    "7 becomes 4": Mutation(*ATTENTION, "WORD_TEMPERATURE", "4.0"),
    "4 becomes 7": Mutation(*ATTENTION, "SPATIAL_TEMPERATURE", "7.0"),
    "padding is attended to": Mutation(*ATTENTION, ".masked_fill(padding, -torch.inf)", "", padding_errors),
    "padding is pooled": Mutation(
        CNN, "CnnStream.compose", "self.text_pool(states, mask)", "self.text_pool(states)", padding_errors
    ),
    "padding is edited": Mutation(
        EDITOR, "TextEditor.forward", "self.gate([words, image_per_word], grid, mask)",
        "self.gate([words, image_per_word], grid, None)", padding_errors,
    ),
    "padding counts in averages": Mutation(
        "dwc.model.layers", "neighbourhood_mean", "if mask is None", "if True", padding_errors
    ),
    "border counts in averages": Mutation(
        "dwc.model.layers", "neighbourhood_mean",
        "F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)",
        "F.avg_pool2d(x, 3, stride=1, padding=1)",
    ),
    "no ReLU on V": Mutation(
        CNN, "CnnStream._edit", "F.relu(self.visual([feature_map], feature_map.shape[2:]))",
        "self.visual([feature_map], feature_map.shape[2:])",
    ),
    "no ReLU on the image's addition": Mutation(
        EDITOR, "ImageEditor.forward", "F.relu(self.addition([seen_text], grid))",
        "self.addition([seen_text], grid)",
    ),
    "image gate reads the text first": Mutation(
        EDITOR, "ImageEditor.forward", "[visual, seen_text]", "[seen_text, visual]"
    ),
    "text gate forgets the words": Mutation(EDITOR, "TextEditor.forward", "gate * words", "gate"),
    "target pooled as reference": Mutation(CNN, "CnnStream.embed", "self.target_pool", "self.image_pool"),
    "no ReLU in the CLIP image projection": Mutation(
        CLIP, "ClipStream.target", "self.image_projection(", "self.image_projection[0]("
    ),
    "no ReLU in the CLIP text projection": Mutation(
        CLIP, "ClipStream.compose", "self.text_projection(", "self.text_projection[0]("
    ),
    "image gate edits the text": Mutation(
        CLIP, "ClipStream._edit", "torch.sigmoid(self.text_gate(both)) * text",
        "torch.sigmoid(self.image_gate(both)) * text",
    ),
    "λ and 1 − λ swapped": Mutation(
        COMBINER, "WeightedCombiner.forward", "weight * image + (1.0 - weight) * text",
        "(1.0 - weight) * image + weight * text",
    ),
    "the query is not normalised": Mutation(COMBINER, "WeightedCombiner.forward", "unit(query)", "query"),
    "α and 1 − α swapped": Mutation(
        *LOSS, "(1 - alpha) * labels_wanted + alpha *", "alpha * labels_wanted + (1 - alpha) *"
    ),
    "no τ in the logits": Mutation(*LOSS, "query @ target.T / temperature", "query @ target.T"),
    "no τ in the soft labels": Mutation("dwc.model.losses", "soft_labels", "(dot / temperature)", "dot"),
    "soft labels of the queries": Mutation(*LOSS, "soft_labels(target,", "soft_labels(query,"),
    "hard labels are not shared out": Mutation(
        "dwc.model.losses", "hard_labels", "same / same.sum(dim=1, keepdim=True)", "same"
    ),
    "soft labels are detached": Mutation(
        *LOSS, "soft.detach() if detach_soft_labels else soft", "soft.detach()", clip_gradients
    ),
    "mutual KL turned round": Mutation(
        *MUTUAL, "F.kl_div(student, teacher,", "F.kl_div(teacher.log(), student.exp(),"
    ),
    "the student is not scaled": Mutation(*MUTUAL, "scale * query @", "query @"),
    "the teacher's image is the reference": Mutation(
        "dwc.training.streams", "embed_cnn", 'teacher_image == "target"', 'teacher_image == "reference"',
        first_clip_losses,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def model() -> DWC:
    """The reference network; the backbone, which no mutation touches, computes each map once."""
    model = reference_model()
    x = inputs("input")
    with torch.no_grad():
        maps = {x[name].data_ptr(): model.cnn.feature_map(x[name]) for name in ("reference", "target")}
    compute = model.cnn.feature_map
    model.cnn.feature_map = lambda x: maps[x.data_ptr()] if x.data_ptr() in maps else compute(x)
    return model


@pytest.mark.parametrize("compare", [output_errors, clip_gradients, padding_errors, first_clip_losses])
def test_without_a_mutation_nothing_differs(model: DWC, compare: Callable[[DWC], Errors]) -> None:
    errors = compare(model)
    assert len(errors) > 2
    assert max(errors.values()) <= 1e-8


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_is_noticed(name: str, model: DWC, monkeypatch: pytest.MonkeyPatch) -> None:
    mutation = MUTATIONS[name]
    mutate(monkeypatch, mutation)
    errors = mutation.compare(model)
    assert not all(error <= SEEN for error in errors.values())  # NaN is a difference, too


def mutate(monkeypatch: pytest.MonkeyPatch, mutation: Mutation) -> None:
    """Put the mutated function wherever the original is reached from."""
    module = sys.modules[mutation.module]
    owner, _, name = mutation.function.rpartition(".")
    original = getattr(getattr(module, owner) if owner else module, name)
    source = textwrap.dedent(inspect.getsource(original))
    assert source.count(mutation.old) == 1, f"{mutation.old!r} is not once in {mutation.function}"
    namespace: dict[str, object] = {}
    lazy = annotations.compiler_flag
    code = compile(source.replace(mutation.old, mutation.new), "<mutation>", "exec", lazy)
    exec(code, vars(module), namespace)
    if owner:
        monkeypatch.setattr(getattr(module, owner), name, namespace[name])
        return
    for other in [m for key, m in sys.modules.items() if key.startswith(("dwc.", "tests.parity."))]:
        if getattr(other, name, None) is original:
            monkeypatch.setattr(other, name, namespace[name])
