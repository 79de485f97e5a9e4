"""A look at data before they are used: the same checks as the validate stage, and nothing is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dwc.raw import fashioniq, layouts
from dwc.raw.detect import Detected
from dwc.schema import RawData
from dwc.tables.availability import MissingImages, unusable
from dwc.tables.build import Progress, build_tables
from dwc.tables.checks import run_checks
from dwc.tables.published_counts import compare_counts, recognised
from dwc.tables.result import ValidationResult


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What the checks say of a folder, and the policy under which they say it.

    The policy is `drop` only where the data could not be used otherwise and can be so.
    """

    root: Path
    detected: Detected
    result: ValidationResult
    missing_images: MissingImages

    @property
    def usable(self) -> bool:
        """Whether the pipeline would accept the data."""
        return not self.result.errors


def preview(
    root: Path,
    detected: Detected,
    *,
    min_side: int,
    max_megapixels: float,
    min_caption_words: int,
    progress: Progress | None = None,
) -> Preview:
    """Read, scan and check the folder. Raises ValueError where it is not what its layout says."""
    raw = _read(root, detected)
    tables = build_tables(raw, root, max_megapixels=max_megapixels, progress=progress)

    published = compare_counts(tables, detected.layout)  # others' data may lie in a published layout too
    dataset = detected.layout if recognised(published, detected.layout) else ""

    def checked(policy: MissingImages) -> Preview:
        result = run_checks(
            tables,
            dataset=dataset,
            min_side=min_side,
            max_megapixels=max_megapixels,
            min_caption_words=min_caption_words,
            missing_images=policy,
            exclude_eval_images=False,
        )
        return Preview(root=root, detected=detected, result=result, missing_images=policy)

    if unusable(tables.images, max_megapixels).notna().any():
        lenient = checked("drop")
        if lenient.usable:
            return lenient
    return checked("fail")


def _read(root: Path, detected: Detected) -> RawData:
    try:
        return layouts.read(detected.layout, root, detected.categories)
    except ValueError as error:
        without_pictures = not any((root / name).is_dir() for name in fashioniq.IMAGE_FOLDERS)
        if detected.layout == "fashioniq" and without_pictures:
            hint = f"`dwc fetch-images` fetches them from the published links: --out {root / 'images'}."
            raise ValueError(f"{error} {hint}") from error
        raise
