"""What the checks found, in plain language: for the terminal, the report and results.json."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

Severity = Literal["error", "warning"]


@dataclass(frozen=True, kw_only=True)
class Example:
    """One row that fails a check: where it stands, and what is wrong with it."""

    file: str
    record: int | None
    message: str

    def __str__(self) -> str:
        """Return it as `file record 17: what is wrong`."""
        where = self.file if self.record is None else f"{self.file} record {self.record}"
        return f"{where}: {self.message}"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check's outcome. `count` of `total` rows fail it; `examples` are the first of them."""

    name: str
    severity: Severity
    title: str
    remedy: str
    count: int
    total: int
    examples: tuple[Example, ...] = ()

    @property
    def success(self) -> bool:
        """Whether no row fails."""
        return self.count == 0


@dataclass(frozen=True, kw_only=True)
class ValidationResult:
    """All checks in order, and the triplets that are left out of the tables, each with its reason.

    `counts` are the figures for the metrics file: flat, and with the same keys whatever the outcome.
    `recognised` says which published data these are, where that can be told.
    """

    checks: tuple[Check, ...]
    quarantined: pd.DataFrame
    counts: dict[str, int]
    recognised: str | None = None

    @property
    def errors(self) -> list[Check]:
        """Failed checks that stop the pipeline."""
        return [check for check in self.checks if check.severity == "error" and not check.success]

    @property
    def warnings(self) -> list[Check]:
        """Failed checks that are only reported."""
        return [check for check in self.checks if check.severity == "warning" and not check.success]

    def error_message(self, report: Path | None = None) -> str:
        """Say on one screen what failed, where, and what to do; `report` is where all of it stands."""
        errors = self.errors
        examples = 3 if len(errors) <= 3 else 1
        lines = [f"The data cannot be used: {len(errors)} of {len(self.checks)} checks found errors."]
        for check in errors[:7]:
            lines += ["", *_lines(check, examples)]
        if len(errors) > 7:
            lines += ["", f"and {len(errors) - 7} more: {', '.join(check.name for check in errors[7:])}"]
        if report is not None:
            lines += ["", f"All findings: {report}"]
        return "\n".join(lines)


class ValidationFailed(ValueError):  # noqa: N818 -- named for the event, as flows report it
    """The data have errors; the message is one screen of them, `result` holds all."""

    def __init__(self, result: ValidationResult, report: Path) -> None:
        super().__init__(result.error_message(report))
        self.result = result
        self.report = report


def _lines(check: Check, examples: int) -> list[str]:
    shown = [f"  {example}" for example in check.examples[:examples]]
    rest = [f"  … and {check.count - len(shown):,} more"] if check.count > len(shown) else []
    return [f"✗ {check.title} ({check.count:,} of {check.total:,})", *shown, *rest, f"  → {check.remedy}"]
