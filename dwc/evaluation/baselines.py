"""Systems to beat, from the frozen CLIP alone: the image only, the text only, and their equal-weight sum.

They search the same gallery with the same masking as DWC. If DWC does not beat the sum, its learned
combination of image and text is worth nothing on this data set.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

BASELINES = ("clip_image_only", "clip_text_only", "clip_sum")


def baseline_queries(
    images: Float[Tensor, "queries clip_dim"], texts: Float[Tensor, "queries clip_dim"]
) -> dict[str, Float[Tensor, "queries clip_dim"]]:
    """Unit-norm query embeddings of each baseline, from CLIP embeddings of reference images and texts."""
    image, text = normalize(images, dim=-1), normalize(texts, dim=-1)
    queries = (image, text, normalize(image + text, dim=-1))
    return dict(zip(BASELINES, queries, strict=True))


def baseline_gallery(images: Float[Tensor, "gallery clip_dim"]) -> Float[Tensor, "gallery clip_dim"]:
    """Unit-norm gallery embeddings, the same for all baselines."""
    return normalize(images, dim=-1)
