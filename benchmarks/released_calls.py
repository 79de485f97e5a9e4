"""An alternating step against one that calls the encoders as often as the released code does."""

from __future__ import annotations

from functools import partial

import open_clip
import torch
from torch import Tensor, nn

from benchmarks.results import arguments, medians, report
from benchmarks.step import LENGTH, PAPER, built, draw, waited
from dwc.model.dwc import DWC
from dwc.training.batches import Batch
from dwc.training.step import LossSettings, alternating_step
from dwc.training.streams import streams_of


def measure(batch_size: int, device: torch.device, repeats: int) -> dict[str, float]:
    """Median seconds of a step with the released code's calls in float32, and of ours in both precisions."""
    model, optimisers = built(PAPER, device)
    batch = draw(PAPER, batch_size, device)
    clip = open_clip.create_model("RN50", pretrained=None, device=device).eval()
    tokens = torch.randint(1, 1000, (batch_size, clip.context_length), device=device)

    def step(bf16: bool) -> None:
        alternating_step(model, batch, optimisers, LossSettings(), bf16=bf16)

    def with_released_calls() -> None:
        step(False)
        _further_calls(model, clip, batch, tokens)

    functions = {
        "released": with_released_calls,
        "float32": partial(step, False),
        "bf16": partial(step, True),
    }
    return medians({name: waited(run, device) for name, run in functions.items()}, repeats=repeats)


@torch.no_grad()
def _further_calls(model: DWC, clip: nn.Module, batch: Batch, tokens: Tensor) -> None:
    """The CNN stream once more, as teacher; the CLIP as student, and as teacher without its target."""
    streams_of(model, "target").cnn(batch)
    for images in (batch.reference, batch.target, batch.reference):
        clip.encode_image(images)  # type: ignore[operator]
    for _ in range(2):
        clip.encode_text(tokens)  # type: ignore[operator]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--batches", type=int, nargs="+", default=[8, 32])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    device = torch.device(options.device)
    rows = []
    for size in options.batches:
        seconds = measure(size, device, options.repeats)
        ratios = [seconds["released"] / seconds[ours] for ours in ("float32", "bf16")]
        rows.append([f"batch {size}", *seconds.values(), *ratios])
        print(rows[-1], flush=True)
    report(
        "released_calls",
        f"Alternating step against the released code's calls of the encoders, {device.type}",
        ["", "its calls, float32, s", "float32, s", "bf16, s", "× in float32", "× in bf16"],
        rows,
        write=options.write,
        notes=f"ResNet-50, 224 px, D = 1024, CLIP RN50, {LENGTH} words. Not the released code: this is "
        "our step in float32 with one more forward of the CNN stream and five of the CLIP, which trains on "
        "cached embeddings here. Its loops over locations and words, and its decoding of images in the "
        "training process, are left out, so it is slower than this. The goals against it are 3 and 6.",
    )


if __name__ == "__main__":
    main()
