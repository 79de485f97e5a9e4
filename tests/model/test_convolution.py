"""The convolution for small maps is torch's convolution."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from dwc.model import convolution
from dwc.model.backbone import Backbone
from dwc.model.convolution import SMALL_MAP, SmallMapConv2d, WordConv1d, use_small_map_convolutions


def with_gradients(layer: nn.Module, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    x = x.clone().requires_grad_()
    layer.zero_grad()
    y = layer(x)
    (y * torch.arange(y.numel(), dtype=y.dtype).view_as(y).cos()).sum().backward()
    assert x.grad is not None
    return y.detach(), x.grad, layer.get_parameter("weight").grad.clone()  # type: ignore[union-attr]


@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize(("kernel", "padding"), [(3, 1), (3, 0), (1, 0)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("height", "width"), [(3, 3), (4, 3), (5, 7), (8, 8), (9, 9)])
def test_values_and_gradients_are_those_of_torch(
    height: int, width: int, stride: int, kernel: int, padding: int, memory_format: torch.memory_format
) -> None:
    torch.manual_seed(0)
    plain = nn.Conv2d(6, 10, kernel, stride, padding, bias=False).double()
    network = nn.Sequential(nn.Conv2d(6, 10, kernel, stride, padding, bias=False)).double()
    use_small_map_convolutions(network)
    assert isinstance(network[0], SmallMapConv2d)
    network[0].load_state_dict(plain.state_dict())
    plain.to(memory_format=memory_format)
    network.to(memory_format=memory_format)
    x = torch.randn(4, 6, height, width, dtype=torch.float64).to(memory_format=memory_format)
    for ours, theirs in zip(with_gradients(network[0], x), with_gradients(plain, x), strict=True):
        assert ours.shape == theirs.shape
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_only_learning_from_small_maps_takes_products(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[torch.Size] = []
    products = convolution._gradient_of_weight
    monkeypatch.setattr(
        convolution, "_gradient_of_weight", lambda x, *rest: calls.append(x.shape) or products(x, *rest)
    )
    layer = SmallMapConv2d(2, 2, 3, padding=1, bias=False)
    assert SMALL_MAP == 64
    layer(torch.randn(1, 2, 9, 8)).sum().backward()
    assert calls == []
    layer(torch.randn(1, 2, 8, 8)).sum().backward()
    assert calls == [(1, 2, 8, 8)]
    layer.requires_grad_(False)
    layer(torch.randn(1, 2, 8, 8, requires_grad=True)).sum().backward()
    assert len(calls) == 1


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("length", [1, 2, 7])
def test_values_and_gradients_of_words_are_those_of_torch(size: int, length: int) -> None:
    torch.manual_seed(0)
    plain, ours = (
        kind(6, 10, size, padding=size // 2, bias=False).double() for kind in (nn.Conv1d, WordConv1d)
    )
    ours.load_state_dict(plain.state_dict())
    x = torch.randn(4, length, 6, dtype=torch.float64).transpose(1, 2)
    for found, expected in zip(with_gradients(ours, x), with_gradients(plain, x), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_mixed_precision_gives_what_a_convolution_gives() -> None:
    torch.manual_seed(0)
    ours = SmallMapConv2d(64, 64, 3, padding=1, bias=False)
    plain = nn.Conv2d(64, 64, 3, padding=1, bias=False)
    plain.load_state_dict(ours.state_dict())
    x = torch.randn(8, 64, 3, 3)
    with torch.autocast("cpu", torch.bfloat16):
        product, convolved = ours(x), plain(x)
    assert product.dtype == convolved.dtype == torch.bfloat16
    torch.testing.assert_close(product, convolved, rtol=0.02, atol=0.02)


def test_other_convolutions_stay_as_they_are() -> None:
    network = nn.Sequential(
        nn.Conv2d(4, 4, 7, bias=False),
        nn.Conv2d(4, 4, 3),
        nn.Conv2d(4, 4, 3, groups=2, bias=False),
        nn.Conv2d(4, 4, 3, dilation=2, bias=False),
    )
    use_small_map_convolutions(network)
    assert not any(isinstance(layer, SmallMapConv2d) for layer in network)


def test_the_backbone_uses_it() -> None:
    layers = [type(layer) for layer in Backbone("resnet18").modules() if isinstance(layer, nn.Conv2d)]
    assert (layers.count(nn.Conv2d), layers.count(SmallMapConv2d)) == (1, 19)
