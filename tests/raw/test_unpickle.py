"""The restricted unpickler: what it reads, and that nothing a file says is run."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dwc.raw.unpickle import plain, read_pickled_npy

CONTENT: dict[str, Any] = {
    "train": {
        "mods": [{"from": [0, 1], "to": [2, 3], "to_str": "add red large cube to top-left"}],
        "labels": np.arange(4),
        "positions": np.array([[0.25, -1.5], [3.0, 4.0]], dtype=">f8"),
        "objects": np.array(["a", {"b": (1, 2.5, None, True)}], dtype=object),
        "names": np.array([b"one", b"three"]),
        "scalar": np.int64(-7),
        "true": np.bool_(True),
        "bytes": b"\xff\x00",
    }
}


def write(path: Path, pickled: bytes) -> Path:
    buffer = io.BytesIO()
    header = {"descr": "|O", "fortran_order": False, "shape": ()}
    np.lib.format.write_array_header_1_0(buffer, header)
    path.write_bytes(buffer.getvalue() + pickled)
    return path


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_plain_data_are_read(tmp_path: Path, protocol: int) -> None:
    path = write(tmp_path / "a.npy", pickle.dumps(np.array(CONTENT, dtype=object), protocol=protocol))
    found = read_pickled_npy(path)["train"]
    assert found["mods"] == CONTENT["train"]["mods"]
    assert plain(found["labels"]).tolist() == [0, 1, 2, 3]
    assert plain(found["positions"]).tolist() == [[0.25, -1.5], [3.0, 4.0]]
    assert plain(found["objects"]) == ["a", {"b": (1, 2.5, None, True)}]
    assert plain(found["names"]).tolist() == [b"one", b"three"]
    assert (found["scalar"], found["true"], found["bytes"]) == (-7, True, b"\xff\x00")


def test_what_numpy_itself_writes_is_read(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array(CONTENT, dtype=object), allow_pickle=True)
    assert read_pickled_npy(tmp_path / "a.npy")["train"]["mods"] == CONTENT["train"]["mods"]


def test_python_2_texts_are_read(tmp_path: Path) -> None:
    """Opcodes of a Python 2 pickle by hand: an array without axes of one dict, its texts byte strings."""
    pickled = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01)cnumpy\ndtype\nU\x02O8K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tb"
        b"\x89]}U\x05colorU\x04\xe9redsatb."
    )
    assert read_pickled_npy(write(tmp_path / "a.npy", pickled)) == {"color": "éred"}


class Calls:
    """Pickles as a call of a function with arguments."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.what = (function, arguments)

    def __reduce__(self) -> Any:
        return self.what


MALICIOUS = {
    "os.system": lambda trap: Calls(os.system, f"touch {trap}"),
    "subprocess": lambda trap: Calls(subprocess.check_output, ["touch", str(trap)]),
    "open": lambda trap: Calls(open, str(trap), "w"),
    "eval": lambda trap: Calls(eval, f"open({str(trap)!r}, 'w')"),
    "getattr": lambda trap: Calls(getattr, [], "append"),
    "numpy.load": lambda trap: Calls(np.load, "x.npy"),
    "numpy.memmap": lambda trap: Calls(np.memmap, str(trap), "uint8", "w+", 0, (4,)),
    "an ordered dict": lambda trap: OrderedDict(a=1),
}


@pytest.mark.parametrize("kind", MALICIOUS)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_anything_but_plain_data_is_refused_before_it_runs(tmp_path: Path, kind: str, protocol: int) -> None:
    trap = tmp_path / "trap"
    value = np.array({"train": MALICIOUS[kind](trap)}, dtype=object)
    path = write(tmp_path / "a.npy", pickle.dumps(value, protocol=protocol))
    with pytest.raises(
        ValueError, match=r"a\.npy: It names \S+, which plain data do not need.*do not use it"
    ):
        read_pickled_npy(path)
    assert not trap.exists()


BROKEN = {
    "attributes of a class": b"cnumpy\nndarray\n}U\x01xK\x01sb.",
    "attributes of a function's stand-in": b"c_codecs\nencode\n}U\x01xK\x01sb.",
    "slots of a stand-in": b"c_codecs\nencode\nN}U\x08__init__K\x01s\x86b.",
    "a dotted name": b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.",
    "a persistent id": b"Phere\n.",
    "an extension": b"\x82\x01.",
    "another encoding": b"c_codecs\nencode\n(U\x01aU\x05rot13tR.",
    "cut off": b"\x80\x02}U\x01",
    "empty": b"",
    "numbers that are addresses": (
        b"cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\n(U\x02O8I0\nI1\ntR(I3\nU\x01|NNNI-1\nI-1\nI63\ntb"
        b"U\x08AAAAAAAA\x86R."
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_or_crafted_pickle_is_an_error_that_names_the_file(tmp_path: Path, kind: str) -> None:
    with pytest.raises(ValueError, match=r"a\.npy: "):
        read_pickled_npy(write(tmp_path / "a.npy", BROKEN[kind]))


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"PK\x03\x04 no array"])
def test_other_files_are_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.npy: is no \.npy file"):
        read_pickled_npy(tmp_path / "a.npy")


def test_an_array_of_numbers_is_not_taken_for_the_data(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(3))
    with pytest.raises(ValueError, match="not one pickled object"):
        read_pickled_npy(tmp_path / "a.npy")
