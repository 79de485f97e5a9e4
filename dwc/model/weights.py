"""Weights files: read without running what is in them, and fetched only where there is a network."""

from __future__ import annotations

import pickle
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import torch
from safetensors.torch import load_file
from torch import Tensor

WAIT = 5.0  # seconds for a server to answer at all
_WRAPPERS = ("model_state_dict", "state_dict")


def local_file(path: Path, key: str) -> Path:
    """Return `path`, which parameter `key` names. Raises ValueError with a remedy where it is no file."""
    if path.is_file():
        return path
    tracked = next((place for place in (path, *path.parents) if _tracked(place)), None)
    if tracked:
        raise ValueError(f"{key} = {path}: DVC tracks this file, but it is not here: `dvc pull {tracked}`.")
    raise ValueError(f"{key} = {path}: no such file.")


def _tracked(path: Path) -> bool:
    return bool(path.name) and path.with_name(f"{path.name}.dvc").is_file()


def read_weights(path: Path, key: str) -> dict[str, Tensor]:
    """Tensors by name of a .safetensors, .pt or .pth file, on the CPU; nothing in the file is run.

    A `state_dict` or `model_state_dict` around them and DataParallel's prefix `module.` are taken off. Raises
    ValueError naming `key` where the file is missing, broken, or holds anything else.
    """
    with weights_errors(local_file(path, key), key):
        if path.suffix == ".safetensors":
            content: object = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    for wrapper in _WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise ValueError(f"{key} = {path}: holds no tensors by name (a state dict).")
    return {str(name).removeprefix("module."): value for name, value in content.items()}


@contextmanager
def weights_errors(path: Path, key: str) -> Iterator[None]:
    """Say in one line why the file `path` of parameter `key` could not be read as weights."""
    try:
        yield
    except pickle.UnpicklingError as error:
        if "Unsupported" in str(error):
            raise ValueError(
                f"{key} = {path}: refused: it holds more than tensors, and opening it could run a program. "
                "Save the tensors alone, best as .safetensors."
            ) from None
        raise ValueError(f"{key} = {path}: not a weights file.") from None
    except Exception as error:  # arbitrary bytes make the unpickler raise anything
        raise ValueError(f"{key} = {path}: cannot be read as weights: {in_short(error)}") from error


def unreachable(url: str) -> str | None:
    """Why the server of `url` cannot be reached, or None where it answers; known within seconds."""
    parts = urlsplit(url)
    request = urllib.request.Request(f"{parts.scheme}://{parts.netloc}/", method="HEAD")
    try:
        urllib.request.urlopen(request, timeout=WAIT).close()
    except urllib.error.HTTPError:
        return None
    except OSError as error:
        return f"{parts.netloc} does not answer: {getattr(error, 'reason', error)}"
    return None


def in_short(error: Exception) -> str:
    """What an error says, in one line of at most 200 characters."""
    lines = (str(error).strip() or type(error).__name__).splitlines()
    return " ".join(line.strip() for line in lines[:2])[:200]
