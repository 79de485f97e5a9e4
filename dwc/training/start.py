"""What training starts from: its triplets, and the network with its first weights."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

import pandas as pd
import torch

from dwc.model.backbone import load_backbone_state, load_backbone_weights
from dwc.model.clip import FrozenClip
from dwc.model.dwc import DWC, ModelConfig
from dwc.store.dataset import Store


def training_triplets(store: Store) -> pd.DataFrame:
    """The store's training triplets with a known target."""
    triplets = store.triplets
    return triplets[(triplets["split"] == "train") & (triplets["target"] >= 0)].reset_index(drop=True)


class Selection(NamedTuple):
    """How the checkpoint is chosen: by recall on `triplets`, whose figures are called `name`.

    selected_by: the figure that decides, None = the last epoch.
    """

    name: str
    triplets: pd.DataFrame
    selected_by: str | None


def checkpoint_selection(
    select: Literal["best", "last", "evaluation"], held: pd.DataFrame, store: Store
) -> Selection:
    """The triplets and the figure that `train.select` asks for; held: those held back from training.

    Raises ValueError where there are none to choose by.
    """
    if select == "last":
        return Selection("heldout", held, None)
    if select == "best":
        if held.empty:
            raise ValueError(
                "train.select = best, but train.holdout keeps no triplets back to choose by. Raise "
                "train.holdout, or set train.select to last."
            )
        return Selection("heldout", held, "heldout_recall_at_10")
    return Selection("evaluation", _evaluation_triplets(store), "evaluation_recall_at_10")


def _evaluation_triplets(store: Store) -> pd.DataFrame:
    """The triplets outside the training split: to choose the checkpoint by them is to look at the answer."""
    triplets = store.triplets
    found = triplets[(triplets["split"] != "train") & (triplets["target"] >= 0)].reset_index(drop=True)
    if found.empty:
        raise ValueError(
            "train.select = evaluation: no triplet outside the training split has a known target. Set "
            "train.select to best, which holds back training triplets."
        )
    return found


def build_model(
    config: ModelConfig, *, backbone_weights: str | None, clip_folder: Path, seed: int, device: torch.device
) -> DWC:
    """Build the network on `device`; everything that is not loaded starts at random from `seed`.

    backbone_weights: null = random, `imagenet`, `clip` = the image tower of the CLIP in `clip_folder`, or a
    local file. Raises ValueError where they do not fit the backbone.
    """
    torch.manual_seed(seed)
    model = DWC(config)
    if backbone_weights == "clip":
        state = FrozenClip.load(clip_folder).backbone_state()
        load_backbone_state(model.cnn.backbone, state, f"the CLIP in {clip_folder}")
    elif backbone_weights:
        load_backbone_weights(model.cnn.backbone, config.backbone, backbone_weights)
    model.to(device)
    model.to(memory_format=torch.channels_last)  # convolutions are faster so
    return model
