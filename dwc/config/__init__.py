"""params.yaml as frozen, typed classes: every tunable value of the pipeline, with its meaning and unit.

An unknown or mistyped key is an error that names it. Code elsewhere takes the values it uses, never these
classes as a whole.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError

from dwc.config.base import Section
from dwc.config.data import Data, Pairs, Preprocess, Table, Validate
from dwc.config.embed import Adapt, Embed
from dwc.config.evaluate import Bootstrap, Evaluate, Promote
from dwc.config.train import Augment, Captions, Cnn, Loss, Optimiser, Train

__all__ = [
    "Adapt",
    "Augment",
    "Bootstrap",
    "Captions",
    "Cnn",
    "Data",
    "Embed",
    "Evaluate",
    "Loss",
    "Optimiser",
    "Pairs",
    "Params",
    "Preprocess",
    "Promote",
    "Section",
    "Table",
    "Train",
    "Validate",
    "load_params",
    "parse_params",
]


class Params(Section):
    """The whole of params.yaml."""

    data: Data = Data()
    validate_: Validate = Field(Validate(), alias="validate")
    preprocess: Preprocess = Preprocess()
    embed: Embed = Embed()
    train: Train = Train()
    evaluate: Evaluate = Evaluate()
    promote: Promote = Promote()


def load_params(path: Path) -> Params:
    """Read params.yaml. Raises ValueError naming the file, the key and what is wrong with it."""
    if not path.is_file():
        raise ValueError(f"{path}: no such parameter file. Run the command in the project's root folder.")
    try:
        values: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: not valid YAML: {error}") from error
    return parse_params(values, str(path))


def parse_params(values: Any, source: str) -> Params:
    """Turn nested plain values into Params; `source` names them in errors."""
    try:
        return Params.model_validate(values or {})
    except ValidationError as error:
        raise ValueError("\n".join(_describe(source, dict(problem)) for problem in error.errors())) from None


def _describe(source: str, problem: dict[str, Any]) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"{source}: unknown key `{key}`. Remove it or correct its spelling."
    return f"{source}: `{key}` = {problem.get('input')!r}: {problem['msg']}."
