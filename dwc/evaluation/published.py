"""Results from the literature, for comparison under the same protocol only.

Values are percent, copied from the papers. FashionIQ has two galleries in use that differ by about six
points, so each row names its own; None means that the paper does not say whether the reference is masked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from dwc.evaluation.protocols import Gallery, QueryText


@dataclass(frozen=True)
class Published:
    """One system's published results; recall: k -> percent, for FashionIQ the mean over its categories."""

    method: str
    backbone: str
    recall: dict[int, float]
    gallery: Gallery = "original"
    mask_reference: bool | None = None
    note: str = ""
    text: QueryText = "captions"


@dataclass(frozen=True)
class Benchmark:
    """A data set's published results, and how its evaluation may deviate.

    split: whose queries the papers measure; categories: what means run over.
    """

    results: tuple[Published, ...]
    split: str = "val"
    categories: frozenset[str] | None = None
    deviations: tuple[str, ...] = field(default=())


def _fashioniq(
    method: str,
    backbone: str,
    at_10: float,
    at_50: float,
    protocol: Literal["VAL", "original"] = "VAL",
    masked: bool | None = None,
    note: str = "",
) -> Published:
    gallery: Gallery = "references_and_targets" if protocol == "VAL" else "original"
    return Published(method, backbone, {10: at_10, 50: at_50}, gallery, masked, note)


def _recalls(
    method: str,
    backbone: str,
    at_1: float,
    at_10: float,
    at_50: float,
    note: str = "",
    text: QueryText = "captions",
) -> Published:
    return Published(method, backbone, {1: at_1, 10: at_10, 50: at_50}, note=note, text=text)


BENCHMARKS: dict[str, Benchmark] = {
    "fashioniq": Benchmark(
        (
            _fashioniq("VAL", "ResNet-50, MobileNet", 24.15, 46.61, masked=True),
            _fashioniq("CoSMo", "ResNet-50, ResNet-18", 26.58, 52.31, masked=True),
            _fashioniq("CLVC-Net", "ResNet-50", 30.70, 58.41),
            _fashioniq("AMC", "ResNet-50", 32.87, 61.64),
            _fashioniq(
                "DWC", "ResNet-50 + CLIP RN50", 36.11, 61.39, masked=True,
                note="dress 32.67/57.96, shirt 35.53/60.11, toptee 40.13/66.09",
            ),
            _fashioniq("AlRet", "CLIP RN50", 46.10, 70.80),
            _fashioniq("CLIP4Cir", "CLIP RN50x4", 43.78, 66.93, "original", masked=False),
            _fashioniq("TG-CIR", "ViT-B/16", 51.32, 73.09, masked=True),
            _fashioniq("SPRC", "BLIP-2", 54.72, 74.97, "original", masked=False),
            _fashioniq("DQU-CIR", "ViT-H/14", 61.97, 81.56, masked=True),
            _fashioniq("DQU-CIR", "ViT-H/14", 54.65, 75.60, "original", masked=True),
            _fashioniq("COMBINER", "ViT-H/14", 63.26, 82.27),
        ),
        categories=frozenset({"dress", "shirt", "toptee"}),
    ),
    "shoes": Benchmark(
        (
            _recalls("TIRG", "ResNet-18/50", 12.60, 45.45, 69.39),
            _recalls("VAL", "ResNet-50, MobileNet", 17.18, 51.52, 75.83),
            _recalls("CoSMo", "ResNet-50, ResNet-18", 16.72, 48.36, 75.64),
            _recalls("CLVC-Net", "ResNet-50", 17.64, 54.39, 79.47),
            _recalls("AMC", "ResNet-50", 19.99, 56.89, 79.27),
            _recalls("DWC", "ResNet-50 + CLIP RN50", 18.94, 55.55, 80.19),
            _recalls("AlRet", "CLIP RN50", 21.02, 55.72, 80.77),
            _recalls("TG-CIR", "ViT-B/16", 25.89, 63.20, 85.07),
            _recalls("DQU-CIR", "ViT-H/14", 31.47, 69.19, 88.52),
            _recalls("COMBINER", "ViT-H/14", 32.37, 70.81, 88.81),
        ),
        deviations=("two versions of the evaluation list are in use, of 4,658 and of 4,621 images",),
    ),
    "fashion200k": Benchmark(
        (
            _recalls("TIRG", "ResNet-18/50", 14.10, 42.50, 63.80, text="replace"),
            _recalls("VAL", "ResNet-50, MobileNet", 22.90, 50.80, 73.30, text="replace"),
            _recalls("CoSMo", "ResNet-50, ResNet-18", 23.30, 50.40, 69.30, text="replace"),
            _recalls("CLVC-Net", "ResNet-50", 22.60, 53.00, 72.20, text="replace"),
            _recalls(
                "DWC", "ResNet-50 + CLIP RN50", 36.49, 63.58, 79.02,
                note="its texts contain the target's whole caption", text="replace_and_get",
            ),
            _recalls("DQU-CIR", "ViT-H/14", 36.80, 67.90, 87.80, text="replace"),
        ),
        split="test",
    ),
    "css": Benchmark(
        (
            Published("TIRG", "", {1: 73.7}),
            Published("HCL", "", {1: 81.6}),
            Published("MAAF", "", {1: 87.8}),
            Published("LGLI", "", {1: 93.3}),
        ),
        split="test",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """Published rows under the protocol of a measurement, and in what the measurement deviates."""

    cutoffs: tuple[int, ...]
    rows: tuple[Published, ...]
    deviations: tuple[str, ...]


def comparison(dataset: str, metrics: Mapping[str, Any]) -> Comparison | None:
    """What these results may stand beside; None where nothing was published under their protocol."""
    benchmark = BENCHMARKS.get(dataset)
    protocol = metrics["protocol"]
    if benchmark is None or protocol["split"] != benchmark.split or protocol["joint_gallery"]:
        return None
    rows = tuple(
        row
        for row in benchmark.results
        if row.gallery == protocol["gallery"] and row.text == protocol["text"]
    )
    measured = metrics["systems"]["fused"]["mean"]
    cutoffs = tuple(
        k for k in sorted({k for row in rows for k in row.recall}) if f"recall_at_{k}" in measured
    )
    if not cutoffs:
        return None
    return Comparison(cutoffs, rows, (*benchmark.deviations, *_deviations(benchmark, rows, metrics)))


def _deviations(benchmark: Benchmark, rows: tuple[Published, ...], metrics: Mapping[str, Any]) -> list[str]:
    """How this measurement differs from what the papers did, in words."""
    found = []
    masked = metrics["protocol"]["mask_reference"]
    others = sorted({row.method for row in rows if row.mask_reference is (not masked)})
    if others:
        found.append(
            f"the reference is {'masked' if masked else 'kept'} here, other than in {', '.join(others)}"
        )
    unknown = sorted({row.method for row in rows if row.mask_reference is None})
    if unknown:
        found.append(f"whether the reference was masked is not known of {', '.join(unknown)}")
    if metrics["protocol"]["selection"] != "evaluation":
        found.append("the papers often chose the epoch on these queries; here they took no part in it")
    categories = metrics["categories"]
    if benchmark.categories is not None and benchmark.categories != set(categories):
        found.append(f"the mean here is over {', '.join(categories)} alone")
    missing = sum(part["missing_images"] for part in categories.values())
    if missing:
        found.append(f"{missing:,} images of the published galleries are missing here")
    lost = sum(part["missing_queries"] for part in categories.values())
    if lost:
        found.append(f"{lost:,} of the published queries are left out here")
    return found
