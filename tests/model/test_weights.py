"""Weights files: what is read, what is refused, and what is said without a network."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from dwc.model import backbone, weights
from dwc.model.backbone import Backbone, load_backbone_weights
from dwc.model.weights import read_weights, unreachable
from tests.model.servers import closed_address, file_server, silent_server

TENSORS = {"a": torch.arange(3.0), "b.c": torch.ones(2, 2)}


class Trap:
    """Unpickling it leaves a file behind."""

    def __init__(self, sprung: Path) -> None:
        self.sprung = sprung

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.sprung,))


@pytest.mark.parametrize(
    "content",
    [
        TENSORS,
        {"model_state_dict": TENSORS},
        {"state_dict": TENSORS, "epoch": 3},
        {f"module.{name}": value for name, value in TENSORS.items()},
    ],
)
def test_state_dicts_as_people_save_them(content: dict[str, object], tmp_path: Path) -> None:
    torch.save(content, tmp_path / "w.pth")
    found = read_weights(tmp_path / "w.pth", "key")
    assert found.keys() == TENSORS.keys()
    assert all(torch.equal(found[name], value) for name, value in TENSORS.items())


def test_safetensors(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "w.safetensors")
    assert torch.equal(read_weights(tmp_path / "w.safetensors", "key")["a"], TENSORS["a"])


def test_a_file_that_would_run_a_program_is_refused_and_does_not_run(tmp_path: Path) -> None:
    torch.save({"model_state_dict": {"a": Trap(tmp_path / "sprung")}}, tmp_path / "w.pth")
    with pytest.raises(ValueError, match="refused: it holds more than tensors") as caught:
        read_weights(tmp_path / "w.pth", "train.cnn.weights")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [("text.pth", b"hello"), ("empty.pth", b""), ("cut.pth", None), ("text.safetensors", b"hello")],
)
def test_broken_files_are_named_in_one_line(name: str, content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / name
    if content is None:
        torch.save(TENSORS, file)
        content = file.read_bytes()[:200]
    file.write_bytes(content)
    with pytest.raises(ValueError, match=f"key = {file}: ") as caught:
        read_weights(file, "key")
    assert "\n" not in str(caught.value)


def test_other_content_is_refused(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "w.pth")
    with pytest.raises(ValueError, match="holds no tensors by name"):
        read_weights(tmp_path / "w.pth", "key")


def test_a_missing_file_that_dvc_tracks_says_how_to_get_it(tmp_path: Path) -> None:
    (tmp_path / "clip.pt.dvc").touch()
    (tmp_path / "models.dvc").touch()
    with pytest.raises(ValueError, match=f"`dvc pull {tmp_path / 'clip.pt'}`"):
        read_weights(tmp_path / "clip.pt", "key")
    with pytest.raises(ValueError, match=f"`dvc pull {tmp_path / 'models'}`"):
        read_weights(tmp_path / "models" / "deep" / "clip.pt", "key")
    with pytest.raises(ValueError, match="no such file"):
        read_weights(tmp_path / "other.pt", "key")


def test_a_server_is_reachable_where_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "WAIT", 0.2)
    with file_server({}) as address:
        assert unreachable(f"{address}/some/file") is None
    assert "refused" in str(unreachable(closed_address()))
    with silent_server() as address:
        started = time.monotonic()
        assert "timed out" in str(unreachable(address))
        assert time.monotonic() - started < 3


def resnet18() -> dict[str, torch.Tensor]:
    torch.manual_seed(2)
    return torchvision.models.resnet18().state_dict()


def test_a_local_file_starts_the_backbone_without_its_classifier(tmp_path: Path) -> None:
    state = resnet18()
    torch.save(state, tmp_path / "r.pth")
    network = Backbone("resnet18")
    load_backbone_weights(network, "resnet18", str(tmp_path / "r.pth"))
    assert torch.equal(network.state_dict()["layer4.1.conv2.weight"], state["layer4.1.conv2.weight"])
    with pytest.raises(ValueError, match="does not fit this backbone"):
        load_backbone_weights(Backbone("resnet50"), "resnet50", str(tmp_path / "r.pth"))


class Published(NamedTuple):
    """torchvision's published weights at another address."""

    url: str


def test_imagenet_weights_are_fetched_once_and_then_need_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    state = resnet18()
    torch.save(state, tmp_path / "r.pth")
    content = (tmp_path / "r.pth").read_bytes()
    name = f"resnet18-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    network = Backbone("resnet18")
    with file_server({f"/models/{name}": content}) as address:
        monkeypatch.setitem(backbone._IMAGENET, "resnet18", Published(f"{address}/models/{name}"))
        load_backbone_weights(network, "resnet18", "imagenet")
    assert "100%" in capfd.readouterr().err
    again = Backbone("resnet18")
    load_backbone_weights(again, "resnet18", "imagenet")
    assert torch.equal(again.state_dict()["conv1.weight"], state["conv1.weight"])


def test_without_network_imagenet_weights_say_at_once_where_to_put_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setitem(backbone._IMAGENET, "resnet18", Published(f"{closed_address()}/m/resnet18-0.pth"))
    with pytest.raises(ValueError, match="could not be fetched") as caught:
        load_backbone_weights(Backbone("resnet18"), "resnet18", "imagenet")
    message = str(caught.value)
    assert f"copy it to {tmp_path / 'hub' / 'checkpoints'}" in message
    assert "\n" not in message
    assert capfd.readouterr() == ("", "")


def test_published_imagenet_weights_are_read_safely(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"conv1.weight": Trap(tmp_path / "sprung")}, tmp_path / "r.pth")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    content = (tmp_path / "r.pth").read_bytes()
    name = f"resnet18-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    with file_server({f"/{name}": content}) as address:
        monkeypatch.setitem(backbone._IMAGENET, "resnet18", Published(f"{address}/{name}"))
        with pytest.raises(ValueError, match="refused"):
            load_backbone_weights(Backbone("resnet18"), "resnet18", "imagenet")
    assert not (tmp_path / "sprung").exists()
