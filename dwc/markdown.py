"""Tables in Markdown, as Prefect's pages and pull requests show them."""

from __future__ import annotations

from collections.abc import Sequence


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of texts; what would break it or be read as markup is escaped."""
    lines = [headings, ["---"] * len(headings), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    plain = " ".join(text.split()).replace("\\", "\\\\")
    for mark in "|*_`[]<>":
        plain = plain.replace(mark, f"\\{mark}")
    return plain
