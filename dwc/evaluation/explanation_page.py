"""The page of `dwc explain`, and its short form for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dwc.evaluation.explained import show
from dwc.evaluation.explanation import Explanation
from dwc.evaluation.overlay import Picture
from dwc.files import write_text
from dwc.html import picture, render
from dwc.store.dataset import Store

StoredPicture = UInt8[np.ndarray, "_ _ 3"]  # each of its own size

_SIDE = 240  # pixels: results are shown at some 130 CSS pixels
_BAR = 24  # characters


@dataclass(frozen=True, kw_only=True)
class Result:
    """An image found; source is None where its picture is not at hand."""

    image_id: str
    score: float
    source: str | None


def write_page(
    file: Path,
    explanation: Explanation,
    reference: Picture,
    *,
    captions: Sequence[str],
    model: str,
    ids: Sequence[str],
    scores: Sequence[float],
    pictures: Mapping[str, StoredPicture],
    gallery: int,
) -> None:
    """Write the page whole or not at all.

    reference: the picture's square as it is to be shown; model: what answered; ids, scores: the images found,
    best first; pictures: those of them that are at hand; gallery: images searched.
    Raises ValueError where the file cannot be written.
    """
    results = [
        Result(image_id=name, score=score, source=_source(pictures.get(name)))
        for name, score in zip(ids, scores, strict=True)
    ]
    page = render(
        "explanation.html.j2",
        text=" and ".join(captions),
        model=model,
        found=show(explanation, reference, "the first result"),
        results=results,
        gallery=gallery,
    )
    try:
        write_text(file, page)
    except OSError as error:
        raise ValueError(f"{file}: cannot be written ({error}). Choose another file.") from error


def stored_pictures(folder: Path, image_ids: Sequence[str]) -> dict[str, StoredPicture]:
    """Pictures of those images that the image store holds; none where there is no such folder."""
    if not folder.exists():
        return {}
    store = Store(folder)
    row_of = {name: row for row, name in enumerate(store.image_ids)}
    return {name: np.asarray(store.pixels[row_of[name]]) for name in image_ids if name in row_of}


def terminal_text(explanation: Explanation) -> RenderableType:
    """Image weights and words with bars, within 80 columns."""
    weights = Table.grid(padding=(0, 2))
    for stream, share in (("CNN", explanation.image_weight_cnn), ("CLIP", explanation.image_weight_clip)):
        filled = round(share * _BAR)
        bar = Text("█" * filled, style="blue").append("░" * (_BAR - filled), style="magenta")
        weights.add_row(f"{stream} stream", bar, f"picture {share:.0%}, text {1 - share:.0%}")
    return Group(weights, _word_table(explanation))


def _word_table(explanation: Explanation) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, caption_justify="left")
    table.add_column("word", overflow="fold")
    table.add_column("changes the query by")
    table.add_column("", justify="right")
    table.add_column("score of\nresult 1", justify="right")
    table.add_column("its place\nwithout", justify="right")
    most = max((word.effect.change for word in explanation.words), default=0.0) or 1.0
    for word in explanation.words:
        effect = word.effect
        table.add_row(
            Text(word.text + ("" if word.known else " (unknown)")),
            Text("█" * round(_BAR * effect.change / most), style="blue"),
            f"{effect.change:.1%}",
            Text(f"{effect.score:+.3f}", style="red" if effect.score < 0 else ""),
            Text(f"{effect.rank:,}", style="bold" if effect.rank != explanation.rank else "dim"),
        )
    return table


def _source(pixels: StoredPicture | None) -> str | None:
    if pixels is None:
        return None
    image = Image.fromarray(np.asarray(pixels))
    image.thumbnail((_SIDE, _SIDE))
    return picture(image)
