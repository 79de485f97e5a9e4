"""How the released checkpoints' parameter names map to ours.

The released CNN stream has layers that take no part in its loss (`fc_ret`, `fc_rei`, `combine`,
`loss_weight`, `txt_model.fc_output`); they have no counterpart here.
"""

from __future__ import annotations

import re

UNUSED = re.compile(r"^(loss_weight|fc_ret\.|fc_rei\.|combine\.|txt_model\.fc_output\.|img_model\.fc\.)")

_CNN_PREFIXES = {
    "img_model.": "backbone.",
    "img_pool.": "target_pool.",
    "img_fc.": "image_projection.",
    "txt_model.embedding_layer.": "word_embedding.",
    "txt_model.lstm.": "word_states.",
    "imgconv.0.": "visual.",
    "imgatt.0.": "image_editor.gate.",
    "txt2img.0.": "image_editor.addition.",
    "pool_i.": "image_pool.",
    "txtatt.0.": "text_editor.gate.",
    "img2txt.0.": "text_editor.addition.",
    "pool_t.": "text_pool.",
    "fc_txt.": "text_projection.",
    "dynamic_scalar.": "combiner.weight.",
}
_CLIP_PREFIXES = {
    "img_fc.": "image_projection.",
    "txt_fc.": "text_projection.",
    "atten_I.": "image_gate.",
    "atten_T.": "text_gate.",
    "dynamic_scalar.": "combiner.weight.",
}
# branch0 and each branch's later steps; the released code numbers ReLU and pooling layers too.
_BRANCH = re.compile(r"branch(\d)\.(?:(\d)\.)?(conv|bn)\.")


def our_name(released: str) -> str | None:
    """Our name of a released parameter (`cnn_stream.…` or `clip_stream.…`), or None where it is unused.

    Raises KeyError for a name that belongs to neither stream.
    """
    stream, _, rest = released.partition(".")
    if UNUSED.match(rest):
        return None
    prefixes = {"cnn_stream": _CNN_PREFIXES, "clip_stream": _CLIP_PREFIXES}[stream]
    for theirs, ours in prefixes.items():
        if rest.startswith(theirs):
            return f"{stream.removesuffix('_stream')}.{ours}{_BRANCH.sub(_branch, rest[len(theirs) :])}"
    raise KeyError(released)


def _branch(match: re.Match[str]) -> str:
    number, step, layer = match.groups()
    position = 0 if number in "03" else int(step) // 2
    return f"branches.{number}.{position}.{layer}."
