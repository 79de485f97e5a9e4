"""Tables that people make themselves, CSV or Parquet, read as texts with the place of each."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from dwc.raw.annotations import read_text

DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True)
class Records:
    """A table. rows: column -> text without surrounding white space, empty where nothing stands."""

    path: Path
    columns: tuple[str, ...]
    rows: list[dict[str, str]]

    def required(self, name: str, key: str) -> str:
        """Return the name of a column that must be there; `key` is the parameter that names it."""
        if name not in self.columns:
            there = ", ".join(f"`{column}`" for column in self.columns)
            raise ValueError(
                f"{self.path}: no column `{name}`, only {there}. Add it, or set data.table.{key} to the "
                "column that holds this."
            )
        return name

    def optional(self, name: str | None, usual: str, key: str) -> str | None:
        """Return a column that may be missing, unless a parameter names it; `usual` is its name otherwise."""
        if name is not None:
            return self.required(name, key)
        return usual if usual in self.columns else None

    def where(self, record: int, column: str) -> str:
        """Place of a value, for errors; records count from 0, the heading aside."""
        return f"{self.path} record {record}, column `{column}`"

    def text(self, record: int, column: str) -> str:
        """Return a value that must not be empty."""
        value = self.rows[record][column]
        if not value:
            raise ValueError(f"{self.where(record, column)}: is empty. Fill it in, or remove the record.")
        return value


def read_records(path: Path) -> Records:
    """Read a table. Raises ValueError naming the file and the record that is wrong with it."""
    records = _read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
    if not records.rows:
        raise ValueError(f"{path}: holds no record. Add some, or remove the file.")
    return records


def _read_parquet(path: Path) -> Records:
    try:
        table = pq.read_table(path)
    except (OSError, ValueError) as error:  # pyarrow's own errors are among these
        raise ValueError(f"{path}: no Parquet file that can be read: {error}. Write it again.") from None
    rows = [
        {name: "" if value is None else str(value).strip() for name, value in row.items()}
        for row in table.to_pylist()
    ]
    return Records(path, tuple(table.column_names), rows)


def _read_csv(path: Path) -> Records:
    """Commas, semicolons or tabs, whichever the heading has most of."""
    text = read_text(path)
    heading = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=heading.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows = []
    try:
        for record, row in enumerate(reader):
            if None in row or None in row.values():
                raise ValueError(
                    f"{path} record {record} (line {reader.line_num}): too many or too few values. "
                    "Quote values that contain the delimiter, or correct the line."
                )
            rows.append({name.strip(): value.strip() for name, value in row.items()})
    except csv.Error as error:
        raise ValueError(f"{path}: line {reader.line_num}: not valid CSV: {error}. Correct it.") from None
    return Records(path, tuple(name.strip() for name in reader.fieldnames or ()), rows)
