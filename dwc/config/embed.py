"""The section `embed`: the frozen CLIP."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from dwc.config.base import Positive, Rate, Section, Share


class Adapt(Section):
    """Training of the CLIP on the catalogue's own words and titles (training split only)."""

    text_epochs: int = Field(
        0,
        ge=0,
        description="passes over titles and captions in which the text tower learns to keep their words, "
        "before the images come in; for a CLIP that starts at random",
    )
    text_learning_rate_factor: Share = Field(
        1.0, description="share of the learning rate for the text tower, below its projection, with images"
    )
    epochs: int = Field(
        0, ge=0, description="passes over the titled training images; 0 = use the CLIP as it is"
    )
    batch_size: Positive = 128
    learning_rate: Rate = Field(5e-4, description="peak of the cosine schedule")
    weight_decay: float = Field(0.05, ge=0.0)
    warmup: Share = Field(0.1, description="share of the steps with rising learning rate")
    crop_scale: Share = Field(0.8, description="smallest share of the area that a random crop keeps")
    rotation: float = Field(0.0, ge=0.0, le=180.0, description="largest random turn, degrees")
    word_dropout: Share = Field(0.1, description="chance that a word of a title is left out")
    seed: int = 1


class Embed(Section):
    """The frozen CLIP and its cached features."""

    architecture: str = Field(
        "RN50", description="open_clip model name, or a JSON file of a custom architecture"
    )
    weights: str | None = Field(
        None, description="open_clip tag (e.g. openai) or local weights file; null = random"
    )
    weights_file: Path | None = Field(
        None, description="local copy of the weights that the tag names, for machines without network"
    )
    batch_size: Positive = 128
    adapt: Adapt = Adapt()
