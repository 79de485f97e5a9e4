"""Ranking queries against a gallery: ours with masks and ranks of hits, against faiss's exact index."""

from __future__ import annotations

import faiss
import torch
from torch import Tensor

from benchmarks.results import arguments, medians, report
from dwc.evaluation.recall import rank
from dwc.model.combiner import unit


def measure(queries: int, gallery: int, dim: int, repeats: int) -> dict[str, float]:
    """Median seconds of both for the 50 best; ours also finds the rank of every query's target."""
    torch.manual_seed(0)
    images, asked = unit(torch.randn(gallery, dim)), unit(torch.randn(queries, dim))
    target = torch.arange(queries) % gallery
    reference = (target + 1) % gallery
    index = faiss.IndexFlatIP(dim)
    index.add(images.numpy())
    return medians(
        {
            "ours": lambda: rank(
                asked, images, labels=torch.arange(gallery), target_labels=target, masked=reference
            ),
            "faiss": lambda: index.search(asked.numpy(), 50),
            "product": lambda: _products(asked, images),
        },
        repeats=repeats,
    )


def _products(queries: Tensor, gallery: Tensor) -> None:
    for block in queries.split(1024):
        for images in gallery.split(4096):
            block @ images.T


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--gallery", type=int, nargs="+", default=[100_000])
    parser.add_argument("--dim", type=int, default=2048)
    parser.add_argument("--repeats", type=int, default=1)
    options = parser.parse_args()
    faiss.omp_set_num_threads(torch.get_num_threads())
    rows = []
    for gallery in options.gallery:
        seconds = measure(options.queries, gallery, options.dim, options.repeats)
        rows.append(
            [
                f"{gallery:,} images",
                *seconds.values(),
                seconds["faiss"] / seconds["ours"],
                seconds["ours"] / seconds["product"],
            ]
        )
    report(
        "ranking",
        f"Ranking {options.queries:,} queries of {options.dim:,} dimensions, the 50 best",
        [
            "gallery",
            "ours, s",
            "faiss IndexFlatIP, s",
            "products alone, s",
            "ours: times faiss's speed",
            "ours / products",
        ],
        rows,
        write=options.write,
        notes="Ours also leaves each query's reference out and finds the rank of its target.",
    )


if __name__ == "__main__":
    main()
