"""The released code's checkpoints as a model of ours.

It saves each stream's state dict in a file of its own. What its parameters are called here stands in
`released_names`; the sizes are read off the tensors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from dwc.model.backbone import BackboneName
from dwc.model.dwc import DWC, ModelConfig
from dwc.model.released_names import our_name

State = Mapping[str, Tensor]
WORD_EMBEDDING = "txt_model.embedding_layer.weight"
_BACKBONES: dict[int, BackboneName] = {512: "resnet18", 2048: "resnet50"}
_PROJECTIONS = {"cnn": "img_fc.weight", "clip": "img_fc.0.weight"}


@dataclass(frozen=True, kw_only=True)
class Fit:
    """How the checkpoint of one stream fits our network.

    taken: tensors by our names; not_needed: what takes no part in the released loss; the rest makes the
    checkpoint useless: missing (our names), unexpected (released names), wrong_shape (with both shapes).
    """

    taken: dict[str, Tensor] = field(default_factory=dict)
    not_needed: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    wrong_shape: list[str] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        """One line for each tensor that does not fit."""
        return [
            *(f"missing: {name}" for name in self.missing),
            *(f"unexpected: {name}" for name in self.unexpected),
            *(f"wrong shape: {name}" for name in self.wrong_shape),
        ]


def fit_released(
    local: State, global_: State, *, resolution: int, word_rows: Sequence[int] | None = None
) -> tuple[ModelConfig, dict[str, Fit]]:
    """Compare the state dicts of the CNN and the CLIP stream with our network of the same sizes.

    resolution: side of the images that they were trained on, pixels, which no tensor shows; word_rows: rows
    of the word embedding in the order of our vocabulary, None = all as they are. Raises ValueError where a
    state dict is of another network altogether.
    """
    states = {"cnn": _plain(local, "cnn"), "clip": _plain(global_, "clip")}
    _check_streams(states)
    if word_rows is not None and WORD_EMBEDDING in states["cnn"]:
        states["cnn"][WORD_EMBEDDING] = states["cnn"][WORD_EMBEDDING][torch.tensor(word_rows)]
    config = _sizes(states, resolution)
    with torch.device("meta"):
        wanted = DWC(config).state_dict()
    return config, {stream: _fit(stream, state, wanted) for stream, state in states.items()}


def build_released(config: ModelConfig, fits: Mapping[str, Fit]) -> DWC:
    """The model that fits without problems, in evaluation mode."""
    with torch.device("meta"):
        model = DWC(config)
    model.load_state_dict(
        {name: value for fit in fits.values() for name, value in fit.taken.items()}, assign=True
    )
    return model.eval()


def _plain(state: State, stream: str) -> dict[str, Tensor]:
    """Names without the stream's, floats in single precision."""
    return {
        name.removeprefix(f"{stream}_stream."): value.float() if value.is_floating_point() else value
        for name, value in state.items()
    }


def _check_streams(states: Mapping[str, State]) -> None:
    files = {"cnn": "LOCAL", "clip": "GLOBAL"}
    swapped = _PROJECTIONS["clip"] in states["cnn"] and _PROJECTIONS["cnn"] in states["clip"]
    for stream, name in _PROJECTIONS.items():
        if name not in states[stream]:
            hint = "the two files are swapped" if swapped else "it is of another network"
            raise ValueError(f"{files[stream]} is no checkpoint of the {stream.upper()} stream: {hint}.")


def _sizes(states: Mapping[str, State], resolution: int) -> ModelConfig:
    dim, channels = states["cnn"][_PROJECTIONS["cnn"]].shape
    if channels not in _BACKBONES:
        raise ValueError(f"LOCAL: images of {channels} channels; known are ResNet-18 (512) and -50 (2048).")
    if WORD_EMBEDDING not in states["cnn"]:
        raise ValueError(f"LOCAL: {WORD_EMBEDDING} is missing, so that it can read no text.")
    words, word_dim = states["cnn"][WORD_EMBEDDING].shape
    return ModelConfig(
        backbone=_BACKBONES[channels],
        dim=dim,
        words=words,
        word_dim=word_dim,
        clip_dim=states["clip"][_PROJECTIONS["clip"]].shape[1],
        resolution=resolution,
    )


def _fit(stream: str, state: State, wanted: State) -> Fit:
    fit, found = Fit(), set[str]()
    for name, value in state.items():
        try:
            ours = our_name(f"{stream}_stream.{name}")
        except KeyError:
            ours = name
        if ours is None:
            fit.not_needed.append(name)
        elif ours not in wanted:
            fit.unexpected.append(name)
        elif value.shape != wanted[ours].shape:
            fit.wrong_shape.append(f"{name}: {_times(value)}, needed {_times(wanted[ours])}")
            found.add(ours)
        else:
            fit.taken[ours] = value
    found |= set(fit.taken)
    fit.missing.extend(name for name in wanted if name.startswith(f"{stream}.") and name not in found)
    return fit


def _times(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "scalar"
