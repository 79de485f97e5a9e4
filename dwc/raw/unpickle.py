"""Reading a pickled .npy file without running anything that it says.

The standard unpickler imports and calls whatever a file names. This one knows a handful of names, and
answers each with a stand-in of its own, so that NumPy's code for pickles never runs: the result is made of
dicts, lists, tuples, texts, numbers and NumPy arrays of them. Every other name is an error.
"""

from __future__ import annotations

import io
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np

_BINARY = re.compile(r"[biuf][1248]|[SU][0-9]{1,5}")  # numbers, and texts of a fixed length
_TRUTH = {"b1": "?"}  # NumPy's own name of a truth value


def read_pickled_npy(path: Path) -> Any:
    """Return the one object of a .npy file that NumPy wrote with pickle, under Python 2 or 3.

    Raises ValueError where the file is no such file, is broken, or names anything but plain data.
    """
    content = path.read_bytes()
    stream = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(stream)
        header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, _, dtype = header[version](stream)
    except (ValueError, KeyError) as error:
        raise ValueError(f"{path}: is no .npy file that can be read. Fetch it again.") from error
    if not dtype.hasobject or shape != ():
        raise ValueError(f"{path}: holds an array of {dtype}, not one pickled object. Fetch the file again.")
    value = _unpickle(stream, path)
    if not isinstance(value, _Array):
        raise ValueError(f"{path}: does not hold a pickled array. Fetch the file again.")
    return value.value()


def plain(value: Any) -> Any:
    """The value itself, or what a stand-in below the top of the file stands for."""
    return value.value() if isinstance(value, _Array) else value


def _unpickle(stream: io.BytesIO, path: Path) -> Any:
    try:
        return _PlainUnpickler(stream, encoding="latin1").load()
    except _Refused as error:
        raise ValueError(f"{path}: {error} The file is not what it should be; do not use it.") from None
    except Exception as error:  # a broken pickle raises errors of every kind
        raise ValueError(f"{path}: the pickle inside is broken ({error}). Fetch the file again.") from error


class _Refused(Exception):  # noqa: N818 -- told to the user by its message
    """The file asks for more than plain data."""


class _Type:
    """Stands in for numpy.dtype."""

    def __init__(self, name: object, *_: object) -> None:
        self.name = name.lstrip("<>=|") if isinstance(name, str) else ""
        self.order = "<"
        if self.name not in {"O", "O4", "O8"} and not _BINARY.fullmatch(self.name):
            raise _Refused(f"It holds an array of {name!r}, which is neither numbers nor texts.")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if len(state) > 1 and state[1] in {"<", ">", "|"}:
            self.order = state[1]

    def read(self, raw: Any) -> np.ndarray:
        """Bytes (under Python 2 texts of latin-1 letters) as a flat array of numbers."""
        content = raw.encode("latin1") if isinstance(raw, str) else bytes(raw)
        if not _BINARY.fullmatch(self.name):
            raise _Refused("It holds addresses in memory.")
        order = "<" if self.order == "|" else self.order
        return np.frombuffer(content, dtype=np.dtype(order + _TRUTH.get(self.name, self.name)))


class _Array:
    """Stands in for numpy.ndarray."""

    def __init__(self, *_: object) -> None:
        self._shape: tuple[int, ...] = (0,)
        self._content: np.ndarray | list[Any] = []

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, _, raw = state
        self._shape = tuple(int(side) for side in shape)
        self._content = raw if isinstance(raw, list) else kind.read(raw)

    def value(self) -> Any:
        """The one object of an array without axes, a list for objects, an array for numbers."""
        if isinstance(self._content, list):
            return self._content[0] if self._shape == () else self._content
        return self._content.reshape(self._shape)


class _Scalar:
    """Stands in for numpy's function of the same name; a class, because files can change functions."""

    def __new__(cls, kind: _Type, raw: Any) -> Any:
        return kind.read(raw)[0].item()

    def __setstate__(self, state: Any) -> None:
        raise _Refused("It changes a scalar.")


class _Encoded:
    """Stands in for the function by which Python 3 writes bytes in old protocols."""

    def __new__(cls, text: str, encoding: str) -> Any:
        if encoding != "latin1":
            raise _Refused(f"It encodes a text as {encoding!r}.")
        return text.encode("latin1")

    def __setstate__(self, state: Any) -> None:
        raise _Refused("It changes bytes.")


_NUMPY = ("numpy.core.multiarray", "numpy._core.multiarray")
_STAND_INS = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Type,
    ("_codecs", "encode"): _Encoded,
    **{(module, "_reconstruct"): _Array for module in _NUMPY},
    **{(module, "scalar"): _Scalar for module in _NUMPY},
}


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _STAND_INS:
            raise _Refused(f"It names {module}.{name}, which plain data do not need.")
        return _STAND_INS[module, name]
