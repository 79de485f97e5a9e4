"""What all checks together say of the data: for the terminal, the report and results.json."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from dwc.tables.build import Tables
from dwc.tables.findings import Check
from dwc.tables.leakage import Leakage
from dwc.tables.summary import SplitCounts


@dataclass(frozen=True, kw_only=True)
class ValidationResult:
    """All checks in order, the tables without what is left out, and what training and evaluation share.

    `counts` are the figures for the metrics file: flat, and with the same keys whatever the checks found;
    `splits` say how much there is and is left of every category and split; `recognised` says which published
    data these are, where that can be told.
    """

    checks: tuple[Check, ...]
    kept: Tables
    splits: tuple[SplitCounts, ...]
    leakage: Leakage
    counts: dict[str, int]
    recognised: str | None = None

    @property
    def quarantined(self) -> pd.DataFrame:
        """Triplets that are left out, each with its reason."""
        return self.kept.left_out.triplets

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
            lines += ["", *check.lines(examples)]
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
