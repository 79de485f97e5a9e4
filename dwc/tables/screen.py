"""What `dwc check` prints: one screen that says whether the data can be used, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from dwc.tables.findings import Check
from dwc.tables.preview import Preview
from dwc.tables.summary import SplitCounts

ERROR_LINES = 30
WARNINGS = 8
SPLITS_SHOWN = 12


class Line(NamedTuple):
    """A line of text, and in which of the terminal's styles."""

    text: str = ""
    style: str = ""


def screen(preview: Preview) -> list[Line]:
    """Say all of it: verdict, counts, errors, warnings, and the lines for params.yaml."""
    result, detected = preview.result, preview.detected
    kind = f"layout {detected.layout}"
    if detected.categories:
        kind += f", categories {', '.join(detected.categories)}"
    return [
        Line(f"{preview.root}: {kind}", "bold"),
        Line(),
        *_counts(result.splits),
        *([Line(f"  {result.recognised}")] if result.recognised else []),
        Line(),
        *_verdict(preview),
        *_errors(result.errors),
        *_warnings(result.warnings),
        *_parameters(preview),
    ]


def _counts(splits: Sequence[SplitCounts]) -> Iterator[Line]:
    row = "  {:<14} {:<6} {:>9} {:>9} {:>9} {:>9}"
    yield Line(row.format("category", "split", "triplets", "left out", "images", "missing"), "dim")
    for part in splits[:SPLITS_SHOWN]:
        figures = (part.triplets, part.triplets - part.triplets_left, part.listed, part.listed_missing)
        shown = (f"{number:,}" if number else "–" for number in figures)
        yield Line(row.format(part.category[:14], part.split, *shown))
    if len(splits) > SPLITS_SHOWN:
        yield Line(f"  … and {len(splits) - SPLITS_SHOWN} more")


def _verdict(preview: Preview) -> Iterator[Line]:
    result, missing = preview.result, preview.result.counts["missing_images"]
    if not preview.usable:
        failed = f"{len(result.errors)} of {len(result.checks)} checks found errors"
        yield Line(f"✗ Not usable yet: {failed}.", "bold red")
    elif preview.missing_images == "drop":
        images = f"{missing:,} missing image{'' if missing == 1 else 's'}"
        left = f"{result.counts['triplets']:,} triplets are left"
        yield Line(
            f"✓ Usable without {images}: {left}, and results will say what their galleries lack.",
            "bold yellow",
        )
    else:
        yield Line("✓ Usable.", "bold green")


def _errors(errors: Sequence[Check]) -> list[Line]:
    """As many errors as fit, each with examples and remedy; the names of the others."""
    lines: list[Line] = []
    for number, check in enumerate(errors):
        title, *rest = check.lines(3 if len(errors) <= 3 else 2 if len(errors) <= 5 else 1)
        block = [Line(), Line(f"  {title}", "red"), *(Line(f"  {line}") for line in rest)]
        if len(lines) + len(block) >= ERROR_LINES:
            names = ", ".join(other.name for other in errors[number:])
            return [*lines, Line(), Line(f"  and {len(errors) - number} more: {names}", "red")]
        lines += block
    return lines


def _warnings(warnings: Sequence[Check]) -> Iterator[Line]:
    if not warnings:
        return
    yield Line()
    yield Line("! Worth knowing: how many do not satisfy this, and the first of them", "yellow")
    for check in warnings[:WARNINGS]:
        yield Line(f"  {check.count:>7,}  {check.title}")
        yield Line(f"           {_shortened(str(check.examples[0]))}", "dim")
    if len(warnings) > WARNINGS:
        yield Line(f"           and {', '.join(check.name for check in warnings[WARNINGS:])}")


def _parameters(preview: Preview) -> Iterator[Line]:
    yield Line()
    yield Line("Lines for params.yaml:" if preview.usable else "Once mended, lines for params.yaml:", "bold")
    yield Line("  data:")
    yield Line(f"    name: {_name(preview.root)}")
    yield Line(f"    layout: {preview.detected.layout}")
    yield Line(f"    root: {preview.root}")
    if preview.detected.categories:
        yield Line(f"    categories: [{', '.join(preview.detected.categories)}]")
    if preview.missing_images != "fail":
        yield Line("  validate:")
        yield Line(f"    missing_images: {preview.missing_images}")


def _name(root: Path) -> str:
    """A data set name that params.yaml accepts, from the folder's."""
    return re.sub(r"[^a-z0-9]+", "-", root.resolve().name.lower()).strip("-") or "catalogue"


def _shortened(text: str, width: int = 100) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
