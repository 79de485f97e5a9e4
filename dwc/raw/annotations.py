"""Reading annotation files: what is wrong with one is said with its file, its record and a remedy."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any


def read_json(path: Path) -> Any:
    """Parse a UTF-8 JSON file. Raises ValueError with line and column where it is not JSON."""
    text = read_text(path)
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        where = f"{path}: line {error.lineno} column {error.colno}"
        remedy = "Correct the file or fetch it again."
        raise ValueError(f"{where}: not valid JSON: {error.msg}. {remedy}") from None
    if "\\ud" in text.lower():  # an escaped surrogate: fine in pairs, half a character alone
        _require_whole_characters(values, path)
    return values


def _require_whole_characters(values: Any, path: Path) -> None:
    try:
        json.dumps(values, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        wrong = ascii(error.object[error.start])
        raise ValueError(
            f"{path}: {wrong} is half a character. Correct the text or remove the record."
        ) from None


def read_text(path: Path) -> str:
    """Read a UTF-8 text file, with or without a byte order mark."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: byte {error.start} is not UTF-8 text. Save the file as UTF-8.") from None


def read_list(path: Path) -> list[Any]:
    """Parse a JSON file that must hold a non-empty list."""
    records = read_json(path)
    if not isinstance(records, list) or not records:
        raise ValueError(f"{path}: expected a JSON list with at least one record. Fetch the file again.")
    return records


def read_lines(path: Path) -> list[str]:
    """Lines of a UTF-8 text file without surrounding white space; blank ones are left out of the list."""
    lines = [text for line in read_text(path).splitlines() if (text := line.strip())]
    if not lines:
        raise ValueError(f"{path}: no line with anything in it. Fetch the file again.")
    return lines


def require_files(root: Path, names: Iterable[str], layout: str) -> None:
    """Raise ValueError for the first file that is not there; `layout` says what the folder should hold."""
    for name in names:
        if not (root / name).is_file():
            raise ValueError(
                f"{root / name}: no such file. {layout} Add the file, or correct data.root or data.layout."
            )


def require_one_category(categories: Sequence[str], name: str) -> None:
    """Raise ValueError where categories are asked for that a layout of one category does not have."""
    if set(categories) - {name}:
        raise ValueError(
            f"data.categories: this layout has one category, `{name}`, not {', '.join(categories)}. "
            "Set data.categories to []."
        )


def read_object(path: Path) -> dict[str, Any]:
    """Parse a JSON file that must hold an object."""
    values = read_json(path)
    if not isinstance(values, dict):
        raise ValueError(f"{path}: expected a JSON object whose keys are triplet ids, not {_shown(values)}.")
    return values


def read_column(path: Path, key: str, column: str) -> dict[str, str]:
    """Read two columns of a CSV file as key -> value; a blank value is left out, a key twice is an error."""
    values: dict[str, str] = {}
    rows = csv.DictReader(io.StringIO(read_text(path), newline=""), strict=True)
    if missing := {key, column} - set(rows.fieldnames or ()):
        raise ValueError(f"{path}: no column `{min(missing)}` in its first line. Add it to the header.")
    try:
        for row in rows:
            if row[key] in values:
                where = f"{path}: line {rows.line_num}"
                raise ValueError(f"{where}: `{row[key]}` is named a second time. Remove one of the lines.")
            values[row[key]] = (row[column] or "").strip()
    except csv.Error as error:
        raise ValueError(f"{path}: line {rows.line_num}: not valid CSV: {error}. Correct the file.") from None
    return {name: value for name, value in values.items() if value}


def text_field(record: Mapping[str, Any], key: str, where: str) -> str:
    """Return the string `record[key]`; `where` names file and record in the error."""
    if key not in record:
        raise ValueError(f"{where}: no key `{key}`. Every record needs it; correct or remove this one.")
    if not isinstance(record[key], str):
        raise ValueError(f"{where}: `{key}` must be a string, not {_shown(record[key])}.")
    return str(record[key])


def strings_field(record: Mapping[str, Any], key: str, where: str) -> list[str]:
    """Return the list of strings `record[key]`; `where` names file and record in the error."""
    if key not in record:
        raise ValueError(f"{where}: no key `{key}`. Every record needs it; correct or remove this one.")
    if not is_list_of_strings(record[key]):
        raise ValueError(f"{where}: `{key}` must be a list of strings, not {_shown(record[key])}.")
    return list(record[key])


def file_stem(name: Any, where: str) -> str:
    """Return an image id that is safe as a file name: annotations must not lead out of the data folder."""
    if not isinstance(name, str) or not name:
        raise ValueError(f"{where}: an image id must be a non-empty string, not {_shown(name)}.")
    if name in {".", ".."} or any(sign in name for sign in "/\\\0"):
        raise ValueError(
            f"{where}: image id {name!r} is a path. Ids are plain file names without a folder; correct it."
        )
    return name


def is_list_of_strings(value: Any) -> bool:
    """Tell whether the JSON value is a list of strings."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
