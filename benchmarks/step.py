"""A whole alternating step against the bare backbone's forward and backward over the same images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
import torchvision
from torch import Tensor, nn

from benchmarks.results import arguments, medians, report
from dwc.model.dwc import DWC, ModelConfig
from dwc.model.precision import autocast
from dwc.training.batches import Batch
from dwc.training.optimiser import build_adam
from dwc.training.step import LossSettings, Optimisers, alternating_step

WORDS, LENGTH = 2_000, 20
PAPER = ModelConfig(backbone="resnet50", dim=1024, words=WORDS, word_dim=512, clip_dim=1024, resolution=224)


def measure(
    config: ModelConfig, batch_size: int, *, bf16: bool, device: torch.device, repeats: int
) -> dict[str, float]:
    """Median seconds of a step, of torchvision's bare backbone and of ours, on a batch in memory."""
    model, optimisers = built(config, device)
    batch = draw(config, batch_size, device)
    layers = list(getattr(torchvision.models, config.backbone)().children())[:-2]
    bare = nn.Sequential(*layers).to(device, memory_format=torch.channels_last).train()

    def step() -> None:
        alternating_step(model, batch, optimisers, LossSettings(), bf16=bf16)

    def backbone(network: nn.Module) -> None:
        network.zero_grad(set_to_none=True)
        with autocast(device, bf16):
            features = [network(images) for images in (batch.reference, batch.target)]
        (features[0].sum() + features[1].sum()).backward()

    functions = {
        "step": step,
        "backbone": partial(backbone, bare),
        "ours": partial(backbone, model.cnn.backbone),
    }
    return medians({name: waited(run, device) for name, run in functions.items()}, repeats=repeats)


def built(config: ModelConfig, device: torch.device) -> tuple[DWC, Optimisers]:
    """A network in training mode, the same at every call, and an optimiser for each stream."""
    torch.manual_seed(0)
    model = DWC(config).to(device, memory_format=torch.channels_last).train()
    optimisers = Optimisers(
        *(
            build_adam(stream.parameters(), learning_rate=1e-5, weight_decay=0.0)
            for stream in (model.cnn, model.clip)
        )
    )
    return model, optimisers


def draw(config: ModelConfig, batch_size: int, device: torch.device) -> Batch:
    """A batch of noise, with texts of different lengths."""

    def images() -> Tensor:
        pixels = torch.randn(batch_size, 3, config.resolution, config.resolution, device=device)
        return pixels.to(memory_format=torch.channels_last)

    def embeddings() -> Tensor:
        return torch.randn(batch_size, config.clip_dim, device=device)

    lengths = torch.randint(4, LENGTH + 1, (batch_size, 1), device=device)
    return Batch(
        reference=images(),
        target=images(),
        words=torch.randint(0, config.words, (batch_size, LENGTH), device=device),
        mask=torch.arange(LENGTH, device=device)[None, :] < lengths,
        clip_reference=embeddings(),
        clip_text=embeddings(),
        clip_target=embeddings(),
        labels=torch.arange(batch_size, device=device),
    )


def waited(function: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """The function, and then the end of what it has the device do."""

    def run() -> None:
        function()
        if device.type == "cuda":
            torch.cuda.synchronize()

    return run


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    device = torch.device(options.device)
    demo = replace(
        PAPER, backbone="resnet18", dim=256, word_dim=128, clip_dim=512, resolution=72, dropout=0.1
    )
    rows = []
    for name, config in (
        ("paper: ResNet-50, 224 px, D = 1024", PAPER),
        ("demo: ResNet-18, 72 px, D = 256", demo),
    ):
        for bf16 in (False, True):
            seconds = measure(config, options.batch, bf16=bf16, device=device, repeats=options.repeats)
            ratios = [seconds["step"] / seconds[bare] for bare in ("backbone", "ours")]
            rows.append([f"{name}, {'bf16' if bf16 else 'float32'}", *seconds.values(), *ratios])
            print(rows[-1], flush=True)
    report(
        "step",
        f"Alternating step against the bare backbone, batch {options.batch}, {device.type}",
        [
            "model",
            "step, s",
            "torchvision's backbone, s",
            "our backbone, s",
            "step / torchvision's",
            "step / ours",
        ],
        rows,
        write=options.write,
        notes="Both streams with both updates and optimisers; a backbone runs forward and backward over "
        "the same images, in the same two batches, channels-last, in training mode, without an update. None "
        "is compiled. The goal is 1.15; docs/log.md, 2026-11-25, says where the rest goes. "
        "The released code's step was measured at 3.2 (float32) and 6.5 (bf16) bare backbones, at batch 8 on "
        "two cores of another machine: an earlier figure, not one of this run.",
    )


if __name__ == "__main__":
    main()
