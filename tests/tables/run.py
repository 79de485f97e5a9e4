"""Running the validation stage on a small catalogue, and damaging the catalogue first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from dwc.tables.result import ValidationResult
from dwc.tables.validate import validate
from tests.catalogue import CATEGORIES, read_json, write_json

Damage = Callable[[Path], Any]


def run(root: Path, build: Path, **options: Any) -> ValidationResult:
    return validate(
        root,
        "fashioniq",
        CATEGORIES,
        dataset="wardrobe",
        **{"min_side": 32, "max_megapixels": 1.0, "min_caption_words": 2} | options,
        tables_folder=build / "tables",
        report_folder=build / "validation",
        rejected_folder=build / "rejected",
    )


def change_record(name: str, number: int, **values: Any) -> Damage:
    def damage(root: Path) -> None:
        records = read_json(root / name)
        records[number] |= values
        write_json(root / name, records)

    return damage


def append(name: str, item: Any) -> Damage:
    return lambda root: write_json(root / name, [*read_json(root / name), item])
