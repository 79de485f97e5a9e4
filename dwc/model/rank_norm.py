"""BatchNorm over maps whose statistics are those of the rows of all ranks."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import nn

from dwc.model.layers import MaskedBatchNorm1d


class RankBatchNorm2d(MaskedBatchNorm1d):
    """nn.BatchNorm2d over the rows of all ranks."""

    def forward(  # type: ignore[override]
        self, x: Float[torch.Tensor, "batch channels height width"], mask: None = None
    ) -> Float[torch.Tensor, "batch channels height width"]:
        """Normalise `x`; maps have no mask."""
        every = torch.ones(len(x), x[0, 0].numel(), dtype=torch.bool, device=x.device)
        normalised: torch.Tensor = super().forward(x.flatten(2), every)
        return normalised.to(x.dtype).view(x.shape)


def share_batch_statistics(network: nn.Module) -> None:
    """Let the BatchNorm layers over maps see the rows of all ranks, in place; their weights stay.

    On a GPU they become torch's own SyncBatchNorm, which the CPU has not. Those over words always see all.
    """
    for parent in list(network.modules()):
        for name, layer in parent.named_children():
            if type(layer) is not nn.BatchNorm2d:
                continue
            if layer.weight.is_cuda:
                setattr(parent, name, nn.SyncBatchNorm.convert_sync_batchnorm(layer))
            else:
                layer.__class__ = RankBatchNorm2d  # type: ignore[assignment]
