"""From the size of the data and the pace of a trial to the time, disk and memory that every stage takes."""

from __future__ import annotations

from typing import NamedTuple

STARTING = 10.0
"""Seconds in which a stage does nothing of its own: imports, DVC's digests, records of the run."""
_VALIDATE, _PREPROCESS = (0.6e9, 3.0e3), (0.4e9, 2.7e3)
"""Peak memory, bytes, and more for each image: fitted to FashionIQ's 7,733 to 74,381 images, see
benchmarks/RESULTS.md. The other stages' memory is that of the trial and what is added here by name."""
_FLOAT = 4  # bytes


class Size(NamedTuple):
    """How much there is to do.

    images, texts: in the store; taught: of those, of training triplets; titled: images that the CLIP adapts
    to; learnt: triplets learnt from; held: triplets held back to choose an epoch by; searched: images of the
    galleries that are evaluated; queries: evaluated.
    """

    images: int
    texts: int
    taught: int
    titled: int
    learnt: int
    held: int
    searched: int
    queries: int


class Pace(NamedTuple):
    """Seconds for one of each on this machine, and the peak memory of the trial, bytes.

    In one epoch each, a title is one that the CLIP adapts to, a text one that its text tower learns words
    from, and a triplet one that both streams learn from; a picture is encoded as an image of a gallery.
    """

    read: float  # all annotations, not one of them
    picture_checked: float
    picture_decoded: float
    picture_embedded: float
    text_embedded: float
    title_adapted: float
    text_learnt: float
    triplet_learnt: float
    picture_encoded: float
    embed_memory: float
    train_memory: float


class Shape(NamedTuple):
    """What decides how large files are: pixels on a side, sizes of embeddings, numbers of weights."""

    side: int
    dim: int
    clip_dim: int
    weights: int
    clip_weights: int


class Epochs(NamedTuple):
    """How often everything is gone through."""

    train: int
    adapt: int
    text: int


class StageCost(NamedTuple):
    """What a stage takes: seconds, bytes that it leaves on the disk, and most bytes of memory at a time."""

    name: str
    seconds: float
    disk: float
    memory: float


def stage_costs(size: Size, pace: Pace, shape: Shape, epochs: Epochs) -> list[StageCost]:
    """The cost of every stage that runs from its beginning.

    Time is the trial's pace times the size, so it holds for the machine and the load of the trial. Disk is
    that of what the stages keep; DVC's cache holds the same once more where the file system cannot share it.
    """
    embedded = 2 * size.images + size.texts  # every image also mirrored
    gallery = size.searched * (shape.dim + shape.clip_dim) * _FLOAT
    embed = (
        2 * size.images * pace.picture_embedded
        + size.texts * pace.text_embedded
        + epochs.adapt * size.titled * pace.title_adapted
        + epochs.text * (size.titled + size.taught) * pace.text_learnt
    )
    epoch = size.learnt * pace.triplet_learnt + 2 * size.held * pace.picture_encoded
    return [
        StageCost(
            "validate",
            STARTING + pace.read + size.images * pace.picture_checked,
            0.0,
            _grown(_VALIDATE, size.images),
        ),
        StageCost(
            "preprocess",
            STARTING + size.images * pace.picture_decoded,
            size.images * shape.side**2 * 3.0,
            _grown(_PREPROCESS, size.images),
        ),
        StageCost(
            "embed",
            STARTING + embed,
            float(embedded * shape.clip_dim * _FLOAT + shape.clip_weights * _FLOAT),
            pace.embed_memory,
        ),
        StageCost(
            "train",
            STARTING + epochs.train * epoch + size.searched * pace.picture_encoded,  # the package's gallery
            float((2 * shape.weights + shape.clip_weights) * _FLOAT + gallery),  # and its networks
            pace.train_memory,
        ),
        StageCost(
            "evaluate",
            STARTING + (size.searched + size.queries) * pace.picture_encoded,
            0.0,
            pace.train_memory + gallery,
        ),
    ]


def checkpoint_bytes(shape: Shape) -> float:
    """Of the disk, while the train stage runs: the last epoch with Adam's two moments, and the best."""
    return float((3 + 1) * shape.weights * _FLOAT)


def _grown(fit: tuple[float, float], images: int) -> float:
    base, each = fit
    return base + each * images
