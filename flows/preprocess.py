"""The preprocess stage: every picture decoded once, every text and word numbered."""

from __future__ import annotations

from pathlib import Path

from prefect import flow

from dwc.config import Params
from dwc.files import resumable_folder
from dwc.parallel import Spread
from dwc.store.build import build_store
from dwc.tables.build import Tables, load_tables
from flows.cluster import spread
from flows.progress import StepProgress
from flows.stage import BUILD, Stage, stage


@flow(name="preprocess")
@stage("data.root", "validate.max_megapixels", "preprocess")
def preprocess(stage: Stage) -> None:
    """Turn the checked tables and the pictures into the store that all later stages read."""
    tables = stage.step("Read tables", load_tables, BUILD / "tables")
    progress = stage.progress("pictures")
    counts = stage.step("Decode pictures", _build, tables, stage.params, BUILD / "store", progress)
    stage.run.log_metrics(counts)
    stage.summary(", ".join(f"{count:,} {name}" for name, count in counts.items()))


def _build(tables: Tables, params: Params, place: Path, progress: StepProgress) -> dict[str, int]:
    with resumable_folder(place) as folder:
        return store_tables(tables, params, folder, earlier=place, spread=spread(), progress=progress)


def store_tables(
    tables: Tables,
    params: Params,
    folder: Path,
    *,
    earlier: Path | None = None,
    spread: Spread | None = None,
    progress: StepProgress | None = None,
) -> dict[str, int]:
    """Write the store of checked tables into a folder as the parameters ask; see `build_store`."""
    settings = params.preprocess
    return build_store(
        tables.images,
        tables.triplets,
        params.data.root,
        folder,
        resolution=settings.resolution,
        min_word_count=settings.min_word_count,
        caption_variants=settings.caption_variants,
        caption_joining=settings.caption_joining,
        max_megapixels=params.validate_.max_megapixels,
        earlier=earlier,
        spread=spread,
        progress=progress,
    )
