"""Time, disk and memory of a run that has not begun: counts of the data times what was measured on a few."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from dwc.config import Params
from dwc.evaluation.systems import SYSTEMS

STAGE_SECONDS = (4.0, 15.0)  # of each stage beside its work: imports, Prefect, MLflow
REPORT_SECONDS = (5.0, 40.0)  # of evaluate's report and explained queries
REGISTER_SECONDS = (5.0, 20.0)  # of packaging a model and asking it once
SLACK = (0.75, 1.5)  # times what was measured; the machine has other things to do, or fewer than now
ADAM_STATES = 2  # numbers of the optimiser for each weight


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How much of everything the data have. Images that checks may leave out are counted."""

    images: int
    texts: int
    learnt: int  # triplets of one epoch
    titled: int  # images that the CLIP is adapted to
    titles_and_texts: int  # that its text tower reads
    held: int  # triplets that choose the checkpoint
    held_images: int
    gallery: int  # images that are searched
    queries: int


@dataclass(frozen=True, kw_only=True)
class Paces:
    """Seconds of one: picture, training step, … as measured on some of the data."""

    scan: float
    checks: float  # of all checks, on the sample
    decode: float
    word_step: float
    adapt_step: float
    embed_image: float  # and its mirror image
    embed_text: float
    train_step: float
    encode_image: float
    encode_query: float
    save: float  # a checkpoint
    search: float  # one query through the gallery, one system


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Bytes, of files and in memory."""

    row_pixels: int
    clip_dim: int
    clip: int
    weights: int  # of the trained model
    dim: int
    tables: int  # the checked tables and the texts of the store
    code: int  # that goes with a registered model
    memory: int  # peak of the rehearsal


class Span(NamedTuple):
    """From … to."""

    low: float
    high: float

    def __add__(self, other: tuple[float, ...]) -> Span:  # type: ignore[override]
        return Span(self.low + other[0], self.high + other[1])


def around(seconds: float) -> Span:
    """What may become of a measured time."""
    return Span(SLACK[0] * seconds, SLACK[1] * seconds)


def stage_seconds(params: Params, counts: Counts, paces: Paces) -> dict[str, Span]:
    """Time of every stage, from its start to its end."""
    adapt, train = params.embed.adapt, params.train
    encode = counts.gallery * paces.encode_image
    word_steps = adapt.text_epochs * (counts.titles_and_texts // adapt.batch_size)
    adapt_steps = adapt.epochs * max(1, counts.titled // adapt.batch_size)
    embedding = counts.images * paces.embed_image + counts.texts * paces.embed_text
    steps = counts.learnt // train.batch_size * paces.train_step
    choosing = counts.held_images * paces.encode_image + counts.held * paces.encode_query
    register = around(encode) + REGISTER_SECONDS if train.challenger else Span(0.0, 0.0)
    searches = counts.queries * (paces.encode_query + len(SYSTEMS) * paces.search)
    work = {
        "validate": around(counts.images * paces.scan + paces.checks),
        "preprocess": around(counts.images * paces.decode),
        "embed": around(word_steps * paces.word_step + adapt_steps * paces.adapt_step + embedding),
        "train": around(train.epochs * (steps + choosing + paces.save)) + register,
        "evaluate": around(encode + searches) + REPORT_SECONDS,
    }
    return {name: span + STAGE_SECONDS for name, span in work.items()}


class Disk(NamedTuple):
    """Bytes on the disk: that stay, and that are there besides while the stage runs."""

    kept: int
    passing: int


def stage_disk(params: Params, counts: Counts, sizes: Sizes, *, copied: bool) -> dict[str, Disk]:
    """Disk of every stage's outputs. copied: whether DVC's cache holds a copy of its own of each."""
    times = 2 if copied else 1
    keys = 16 * counts.images
    embeddings = (2 * counts.images + counts.texts) * (4 * sizes.clip_dim + 16)
    gallery = counts.gallery * 2 * 4 * sizes.dim
    package = sizes.weights + sizes.clip + gallery + sizes.code
    rankings = counts.queries * len(SYSTEMS) * params.evaluate.top * 20
    checkpoints = (2 + ADAM_STATES) * sizes.weights
    being_written = (1 + ADAM_STATES) * sizes.weights
    return {
        "validate": Disk(times * sizes.tables // 2, 0),
        "preprocess": Disk(times * (counts.images * sizes.row_pixels + keys + sizes.tables // 2), 0),
        "embed": Disk(times * (embeddings + sizes.clip), 0),
        "train": Disk(
            times * sizes.weights + (package if params.train.challenger else 0),
            max(checkpoints + being_written, checkpoints + package),
        ),
        "evaluate": Disk((times + 1) * rankings, 0),
    }
