"""A training that the released code has done, as a model folder of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dwc.files import atomic_folder
from dwc.model.bundle import save_bundle
from dwc.model.dwc import ModelConfig
from dwc.model.released import WORD_EMBEDDING, Fit, build_released, fit_released
from dwc.model.weights import read_weights
from dwc.store.released_words import our_vocabulary, read_words, words_of_captions
from dwc.store.vocabulary import Vocabulary

_SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class Released:
    """Two checkpoints, how they fit, and the words where they are known."""

    config: ModelConfig
    fits: Mapping[str, Fit]
    vocabulary: Vocabulary | None


def read_released(
    local: Path,
    global_: Path,
    *,
    resolution: int,
    vocabulary: Path | None = None,
    captions: Path | None = None,
) -> Released:
    """Read both checkpoints safely, and the words from a vocabulary file or from the training captions.

    Raises ValueError naming the file that is no such thing.
    """
    cnn, clip = read_weights(local, "LOCAL"), read_weights(global_, "GLOBAL")
    words = read_words(vocabulary) if vocabulary else words_of_captions(captions) if captions else None
    ours, rows = None, None
    embedding = next((value for name, value in cnn.items() if name.endswith(WORD_EMBEDDING)), None)
    if words is not None and embedding is not None:
        ours, rows = our_vocabulary(words, len(embedding))
    config, fits = fit_released(cnn, clip, resolution=resolution, word_rows=rows)
    return Released(config=config, fits=fits, vocabulary=ours)


def save_released(released: Released, out: Path) -> None:
    """Write the model folder whole. Raises ValueError where something does not fit, or `out` is in use."""
    problems = [f"{stream}: {line}" for stream, fit in released.fits.items() for line in fit.problems]
    if problems:
        more = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        lines = "\n  ".join([*problems[:_SHOWN], *more])
        raise ValueError(f"tensors that do not fit: {len(problems)}. Nothing was written.\n  {lines}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} is in use. Name a new or empty folder.")
    with atomic_folder(out) as folder:
        save_bundle(folder, build_released(released.config, released.fits))
        if released.vocabulary:
            released.vocabulary.save(folder / "vocabulary.json")
