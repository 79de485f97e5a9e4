"""Presets and overrides, written into params.yaml: the file stays the one truth, and DVC sees what changed.

Comments and order of the file are kept; a change that would not be valid leaves it as it was. A preset
replaces the whole file, which is kept beside it first.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from dwc.config import load_params, parse_params
from dwc.files import write_text
from dwc.registry.params import flatten

PRESETS = Path("presets")
KEPT = ".before-"


@dataclass(frozen=True)
class Change:
    """A parameter that differs, with its values as params.yaml spells them."""

    key: str
    before: str
    after: str


def change_parameters(file: Path, preset: str | None, overrides: Sequence[str]) -> bool:
    """Put a preset and then `key=value` overrides into the parameter file; returns whether it changed.

    A file that a preset replaces is kept, see `keep`. Raises ValueError naming the preset or key, and what
    can be given instead.
    """
    source = preset_file(file.parent, preset) if preset else file
    text = source.read_text(encoding="utf-8")
    if overrides:
        text = _with_overrides(text, overrides)
    new = parse_params(YAML(typ="safe").load(text), str(source))
    if new == load_params(file):
        return False
    if preset:
        keep(file, preset)
    write_text(file, text)
    return True


def preset_changes(file: Path, preset: str) -> list[Change]:
    """Parameters that a preset would change. Raises ValueError where the preset or the file is not valid."""
    files = (file, preset_file(file.parent, preset))
    before, after = (flatten(load_params(one).model_dump(mode="json", by_alias=True)) for one in files)
    return [Change(key, before[key], after[key]) for key in after if before[key] != after[key]]


def preset_names(root: Path) -> dict[str, str]:
    """Name of every preset in `presets/` -> what the first line of the file says about it."""
    first = {
        file.stem: file.read_text(encoding="utf-8").partition("\n")[0]
        for file in sorted((root / PRESETS).glob("*.yaml"))
    }
    return {name: line.lstrip("# ").rstrip(".") for name, line in first.items()}


def preset_file(root: Path, name: str) -> Path:
    """Parameter file of a preset. Raises ValueError listing the names there are."""
    file = root / PRESETS / f"{name}.yaml"
    if name not in preset_names(root):
        known = ", ".join(preset_names(root)) or "none"
        raise ValueError(f"preset `{name}`: no such file in {PRESETS}/. Known are: {known}.")
    return file


def keep(file: Path, preset: str) -> Path:
    """Copy a parameter file to `<name>.before-<preset>`, with a number where that is another file already."""
    content = file.read_text(encoding="utf-8")
    copy, number = file.with_name(f"{file.name}{KEPT}{preset}"), 2
    while copy.exists() and copy.read_text(encoding="utf-8") != content:
        copy, number = file.with_name(f"{file.name}{KEPT}{preset}-{number}"), number + 1
    write_text(copy, content)
    return copy


def _with_overrides(text: str, overrides: Sequence[str]) -> str:
    yaml = _keeping_style()
    values = yaml.load(text)
    for override in overrides:
        _set(values, override)
    buffer = StringIO()
    yaml.dump(values, buffer)
    return buffer.getvalue()


def _keeping_style() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 110
    yaml.representer.add_representer(
        type(None), lambda writer, _: writer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return yaml


def _set(values: MutableMapping[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ValueError(f"override `{override}`: write it as key=value, such as train.epochs=3.")
    try:
        value = YAML().load(text)
    except YAMLError as error:
        raise ValueError(f"override `{override}`: the value is not valid YAML: {error}") from error
    *parents, last = key.split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, MutableMapping):
            raise ValueError(f"override `{override}`: `{parent}` holds a value, not a section.")
    values[last] = value
