"""What a check found, in plain language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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

    def lines(self, examples: int) -> list[str]:
        """Say it in lines: what failed, the first examples, and what to do."""
        shown = [f"  {example}" for example in self.examples[:examples]]
        rest = [f"  … and {self.count - len(shown):,} more"] if self.count > len(shown) else []
        title = f"✗ {self.title} ({self.count:,} of {self.total:,})"
        return [title, *shown, *rest, f"  → {self.remedy}"]
