"""What the terminal says of failed checks."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from dwc.tables.build import Tables
from dwc.tables.findings import Check, Example
from dwc.tables.leakage import NO_LEAKAGE
from dwc.tables.result import ValidationResult


def failed(name: str, count: int = 5) -> Check:
    examples = tuple(
        Example(file="captions/a.json", record=number, message=f"target B{number} is unknown")
        for number in range(count)
    )
    return Check(
        name=name,
        severity="error",
        title=f"Title of {name}",
        remedy="Do this.",
        count=count,
        total=2000,
        examples=examples,
    )


def result(*checks: Check) -> ValidationResult:
    kept = Tables(images=pd.DataFrame(), triplets=pd.DataFrame(), relevant={}, noise={})
    return ValidationResult(checks=checks, kept=kept, splits=(), leakage=NO_LEAKAGE, counts={})


def test_one_error_shows_three_rows_the_remedy_and_the_report() -> None:
    message = result(failed("known")).error_message(Path("build/rejected/report.html"))
    assert message == (
        "The data cannot be used: 1 of 1 checks found errors.\n"
        "\n"
        "✗ Title of known (5 of 2,000)\n"
        "  captions/a.json record 0: target B0 is unknown\n"
        "  captions/a.json record 1: target B1 is unknown\n"
        "  captions/a.json record 2: target B2 is unknown\n"
        "  … and 2 more\n"
        "  → Do this.\n"
        "\n"
        "All findings: build/rejected/report.html"
    )


def test_many_errors_still_fit_one_screen() -> None:
    message = result(*(failed(f"check_{number}") for number in range(12))).error_message()
    assert len(message.splitlines()) <= 40
    assert message.endswith("and 5 more: check_7, check_8, check_9, check_10, check_11")


def test_a_warning_is_no_error() -> None:
    check = Check(name="w", severity="warning", title="t", remedy="r", count=1, total=2)
    assert result(check).errors == []
    assert result(check).warnings == [check]
