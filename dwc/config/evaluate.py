"""The sections `evaluate` and `promote`: measuring, and what a champion must show."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dwc.config.base import Positive, Rate, Section, Share


class Bootstrap(Section):
    """Confidence intervals over queries."""

    resamples: Positive = 2000
    confidence: Share = 0.95
    seed: int = 0


class Evaluate(Section):
    """The retrieval protocol and what is reported (PROTOCOLS; METHOD section 4)."""

    split: Literal["val", "test"] = "val"
    gallery: Literal["original", "references_and_targets"] = Field(
        "original", description="the published image list, or only the split's references and targets (VAL)"
    )
    joint_gallery: bool = Field(
        False, description="every query searches the galleries of all categories together"
    )
    mask_reference: bool = Field(True, description="leave the reference image out of its query's gallery")
    recall_at: tuple[Positive, ...] = (1, 5, 10, 50)
    primary_metric: str = Field("recall_at_10", description="the metric by which versions are compared")
    top: Positive = Field(50, description="ranked images kept per query")
    explained: int = Field(
        6, ge=0, description="queries that the report explains word by word, good and bad ones; 0 = none"
    )
    batch_size: Positive = 128
    bootstrap: Bootstrap = Bootstrap()


class Promote(Section):
    """What a challenger must reach to become champion; compared by evaluate.primary_metric."""

    tolerance: Share = Field(
        0.02,
        description="largest loss against the champion that the lower end of the paired interval "
        "(evaluate.bootstrap) may show, on the metric's scale",
    )
    must_be_better: bool = Field(False, description="demand that the whole interval lies above 0")
    floors: dict[str, float] = Field(
        {}, description="smallest accepted value of any metric of both streams, such as recall_at_10: 0.3"
    )
    latency_factor: Rate | None = Field(
        2.0, description="largest median time of a prediction, as a multiple of the champion's; null = any"
    )
    predictions: Positive = Field(15, description="predictions whose median time is the latency")
