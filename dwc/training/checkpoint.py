"""Checkpoints of an unfinished training: weights, optimisers and history, without pickle.

A checkpoint belongs to one fingerprint of data and parameters, and is ignored by any other training. Its
files have digests: a damaged one is found before anything is taken from it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from dwc.files import atomic_folder
from dwc.model.dwc import DWC
from dwc.training.step import Optimisers

_LOGGER = logging.getLogger(__name__)


def fingerprint(parameters: Mapping[str, Any], files: Iterable[Path]) -> str:
    """Digest of the training's parameters and of the files it learns from."""
    digest = hashlib.sha256(json.dumps(parameters, sort_keys=True, default=str).encode())
    for path in files:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


class Checkpoints:
    """The `last` and the `best` checkpoint of one training, in `folder`."""

    def __init__(self, folder: Path, identity: str) -> None:
        self._folder = folder
        self._identity = identity

    def save_last(self, model: DWC, optimisers: Optimisers, history: list[dict[str, int | float]]) -> None:
        """Write all that is needed to go on after the last epoch in `history`."""
        with atomic_folder(self._folder / "last") as folder:
            save_file(_contiguous(model.state_dict()), folder / "model.safetensors")
            for name, optimiser in optimisers._asdict().items():
                save_file(_optimiser_tensors(optimiser), folder / f"{name}_optimiser.safetensors")
            state = {
                "fingerprint": self._identity,
                "history": history,
                "files": _digests(folder),
                "best": (self._folder / "best").is_dir(),
            }
            (folder / "state.json").write_text(json.dumps(state), encoding="utf-8")

    def save_best(self, model: DWC) -> None:
        """Keep the weights of the best epoch so far."""
        with atomic_folder(self._folder / "best") as folder:
            save_file(_contiguous(model.state_dict()), folder / "model.safetensors")
            (folder / "state.json").write_text(json.dumps({"files": _digests(folder)}), encoding="utf-8")

    def remove(self) -> None:
        """Delete the checkpoints, once the model they led to is saved elsewhere."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def load_best(self, model: DWC) -> None:
        """Put the best epoch's weights into `model`. Raises ValueError where they are damaged."""
        folder = self._folder / "best"
        if _read_state(folder) is None:
            raise ValueError(f"{folder}: damaged. Delete {self._folder} and run the train stage again.")
        model.load_state_dict(load_file(folder / "model.safetensors"))

    def resume(self, model: DWC, optimisers: Optimisers) -> list[dict[str, int | float]]:
        """Load the last checkpoint where it is of this training and whole; return its history, else [].

        One that is damaged, or whose best epoch is, costs a warning: training then starts anew.
        """
        folder = self._folder / "last"
        if not folder.is_dir():
            return []
        state = _read_state(folder)
        if state is None or (state["best"] and _read_state(self._folder / "best") is None):
            _LOGGER.warning("%s: the checkpoint is damaged; training starts anew.", self._folder)
            return []
        if state["fingerprint"] != self._identity:
            return []
        model.load_state_dict(load_file(folder / "model.safetensors"))
        for name, optimiser in optimisers._asdict().items():
            _load_optimiser(optimiser, load_file(folder / f"{name}_optimiser.safetensors"))
        history: list[dict[str, int | float]] = state["history"]
        return history


def _digests(folder: Path) -> dict[str, str]:
    """Digest of each tensor file."""
    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            found[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def _read_state(folder: Path) -> dict[str, Any] | None:
    """A checkpoint's state.json; None where it, or a file that it names, is not as it was written."""
    try:
        state: dict[str, Any] = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return state if state.get("files") == _digests(folder) else None


def _contiguous(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.contiguous() for name, value in state.items()}


def _optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Adam's tensors under `<parameter number>.<name>`."""
    state = optimiser.state_dict()["state"]
    return {
        f"{number}.{key}": value.contiguous() for number, row in state.items() for key, value in row.items()
    }


def _load_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give each parameter its saved tensors, in the parameter's own memory layout.

    The fused update walks through memory and would pair the wrong numbers of two layouts.
    """
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    rows: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        number, _, key = name.partition(".")
        parameter = parameters[int(number)]
        if value.shape == parameter.shape:
            value = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
        rows.setdefault(int(number), {})[key] = value
    state = optimiser.state_dict()
    state["state"] = rows
    optimiser.load_state_dict(state)
