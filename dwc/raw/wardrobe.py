"""`wardrobe`, the demo data set: a catalogue of drawn garments in FashionIQ's folder layout, and its truth.

Everything derives from the seed. Each picture has its own random stream, so the bytes do not depend on how
many processes draw them.
"""

import csv
import json
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dwc.raw.drawn.catalogue import Item, Part, Query, plan_catalogue
from dwc.raw.drawn.garments import draw
from dwc.raw.drawn.traits import COLOURS, PATTERNS, Attributes

SMALLEST_IMAGES = 60  # fewer leave a validation split without queries
SMALLEST_SIDE = 32
JPEG_QUALITY = 63  # keeps the default data set under 9.5 MB
BATCH = 64  # pictures drawn between two reports of progress

_README = """# wardrobe

A demo catalogue for composed image retrieval: {images:,} pictures of {side} x {side} px (JPEG) of dresses,
shirts and tops, {train:,} training triplets and {val:,} validation queries, in FashionIQ's folder layout.

Nothing here depicts real goods, shops or persons. Every picture was drawn by a program and every sentence
written by one (seed {seed}; {noise:.0%} of the captions mislead on purpose). The whole folder is in the
public domain (CC0 1.0).

| file | holds |
|---|---|
| `captions/cap.<category>.<split>.json` | triplets: `candidate` (reference image), `target`, two `captions` |
| `image_splits/split.<category>.<split>.json` | the image ids of a split; those of `val` are its gallery |
| `images/<id>.jpg` | the pictures |
| `attributes.csv` | per image its category, split, product title and attributes |
| `noise.json` | per triplet the kind of each caption, and per changed attribute the values that satisfy it |
| `relevant.json` | per validation query every gallery image that truly satisfies it (never its reference) |

A change of pattern or graphic leaves its colour open unless `second_colour` is listed with it or stays.
A triplet's id is `<category>.<split>.<index>`, the index counting from 0 in its caption file, six digits.
A caption is `clean`, `vague`, about a `wrong_neighbour` of the intended colour, or `contradicting`.

How it is made: garments come in families, each member one or two changes away from another, so that the
gallery is full of near misses. {colours} colours, {patterns} patterns with a second colour, sleeves,
neckline, length, graphic and details are attributes; fit, folds, position, rotation, surface, shadow,
light, camera noise and blur are not, and are drawn anew for every picture. Made again, with the same
software byte for byte, by
`dwc wardrobe --out data --images {images} --seed {seed} --side {side}`{noise_note}.
"""


def _write_json(path: Path, content: Any) -> None:
    """Entries on a line each: small enough to keep, and readable in a diff."""
    opening, closing = ("{", "}") if isinstance(content, dict) else ("[", "]")
    if isinstance(content, dict):
        lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in content.items()]
    else:
        lines = [json.dumps(entry) for entry in content]
    path.write_text(f"{opening}\n" + ",\n".join(lines) + f"\n{closing}\n", encoding="utf-8")


def _write_part(root: Path, part: Part) -> None:
    triplets = [{"candidate": q.reference, "target": q.target, "captions": q.captions} for q in part.queries]
    name = f"{part.category}.{part.split}.json"
    _write_json(root / "captions" / f"cap.{name}", triplets)
    _write_json(root / "image_splits" / f"split.{name}", [item.image_id for item in part.items])


def _intended(query: Query) -> dict[str, tuple[str, ...]]:
    """What was asked for; a print's colour that came or went unnamed was not."""
    intended = {wish.trait: wish.accepted for wish in query.wishes}
    if any(wish.second for wish in query.wishes):
        intended["second_colour"] = query.accepted["second_colour"]
    return intended


def _write_truth(root: Path, parts: Sequence[Part]) -> None:
    queries = [query for part in parts for query in part.queries]
    noise = {q.triplet_id: {"captions": q.noise, "intended": _intended(q)} for q in queries}
    relevant = {q.triplet_id: q.relevant for part in parts if part.split == "val" for q in part.queries}
    _write_json(root / "noise.json", noise)
    _write_json(root / "relevant.json", relevant)


def _write_attributes(root: Path, items: Iterable[Item]) -> None:
    with (root / "attributes.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["image_id", "category", "split", "title", *Attributes._fields[1:]])
        for item in items:
            writer.writerow(
                [item.image_id, item.attributes.category, item.split, item.title, *item.attributes[1:]]
            )


def _draw_batch(folder: Path, side: int, seed: int, batch: Sequence[tuple[int, str, Attributes]]) -> int:
    """Draws some pictures; returns how many. Runs in a worker process."""
    for number, image_id, attributes in batch:
        picture = draw(attributes, np.random.default_rng([seed, 2, number]), side)
        picture.save(folder / f"{image_id}.jpg", quality=JPEG_QUALITY, subsampling="4:2:0", optimize=True)
    return len(batch)


def _draw_all(
    folder: Path,
    items: Sequence[Item],
    side: int,
    seed: int,
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    jobs = [(number, item.image_id, item.attributes) for number, item in enumerate(items)]
    batches = [jobs[start : start + BATCH] for start in range(0, len(jobs), BATCH)]
    work = partial(_draw_batch, folder, side, seed)

    def report(counts: Iterable[int]) -> None:
        done = 0
        for count in counts:
            done += count
            if progress:
                progress(done, len(jobs))

    if workers == 1:
        report(map(work, batches))
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        report(pool.map(work, batches))


def _readme(parts: Sequence[Part], side: int, seed: int, noise_share: float) -> str:
    counts = {
        split: sum(len(part.queries) for part in parts if part.split == split) for split in ("train", "val")
    }
    return _README.format(
        images=sum(len(part.items) for part in parts),
        side=side,
        seed=seed,
        noise=noise_share,
        noise_note="" if noise_share == 0.15 else f" with a noise share of {noise_share}",
        colours=len(COLOURS),
        patterns=len(PATTERNS) - 1,
        **counts,
    )


def _check(root: Path, images: int, side: int, noise_share: float, workers: int | None) -> None:
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise ValueError(f"{root} exists and is not an empty folder; name another one, or remove it first")
    if images < SMALLEST_IMAGES:
        raise ValueError(
            f"wardrobe needs at least {SMALLEST_IMAGES} images, not {images}, to hold queries in each split"
        )
    if side < SMALLEST_SIDE:
        raise ValueError(
            f"garments cannot be recognised at {side} px; choose a side of at least {SMALLEST_SIDE}"
        )
    if not 0 <= noise_share <= 1:
        raise ValueError(f"the noise share is a part of the captions, from 0 to 1, not {noise_share}")
    if workers is not None and workers < 1:
        raise ValueError(f"drawing needs at least 1 worker, not {workers}")


def generate(
    root: Path,
    *,
    images: int = 4200,
    seed: int = 7,
    side: int = 96,
    noise_share: float = 0.15,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Makes the data set in `root`, which must be new or empty; it appears there only once complete.

    `images` (>= 60) counts all pictures; triplets and queries scale with it. `side` is in pixels.
    `noise_share` is the part of captions that mislead. `workers` processes draw (default: one per core);
    equal arguments give equal bytes whatever their number. `progress` is told (done, total) pictures now
    and then. A process-starting script needs the usual `if __name__ == "__main__":` guard.
    Raises ValueError for a folder in use and for values out of range.
    """
    _check(root, images, side, noise_share, workers)
    root.parent.mkdir(parents=True, exist_ok=True)
    unfinished = root.parent / f".{root.name}.{os.getpid()}.unfinished"
    try:
        for folder in ("captions", "image_splits", "images"):
            (unfinished / folder).mkdir(parents=True)
        parts = plan_catalogue(images, seed, noise_share)
        items = sorted((item for part in parts for item in part.items), key=lambda item: item.image_id)
        for part in parts:
            _write_part(unfinished, part)
        _write_truth(unfinished, parts)
        _write_attributes(unfinished, items)
        (unfinished / "README.md").write_text(_readme(parts, side, seed, noise_share), encoding="utf-8")
        enough = workers or max(1, min(os.cpu_count() or 1, images // 500))
        _draw_all(unfinished / "images", items, side, seed, enough, progress)
    except BaseException:
        shutil.rmtree(unfinished)
        raise
    if root.exists():
        root.rmdir()  # it is empty
    unfinished.replace(root)


def contact_sheet(root: Path, image_ids: Sequence[str], *, columns: int = 8, gap: int = 4) -> Image.Image:
    """The named images of a data set side by side, row by row, on white."""
    pictures = [Image.open(root / "images" / f"{image_id}.jpg") for image_id in image_ids]
    side = max((max(picture.size) for picture in pictures), default=1)
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * (side + gap) - gap, max(1, rows * (side + gap) - gap)), "white")
    for n, picture in enumerate(pictures):
        sheet.paste(picture, (n % columns * (side + gap), n // columns * (side + gap)))
    return sheet
