"""studies.yaml as frozen classes: which variants of params.yaml a study compares.

A case is one thing that is measured: a variant, or a variant at a level of a study's axis. Its parameters are
params.yaml, changed by the setting that all studies share, the level and the variant, in this order.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dwc.config import Params, parse_params

Changes = dict[str, Any]
System = Literal["fused", "cnn", "clip"]
SEED = "train.seed"
_DECISIVE = {"data", "validate_", "preprocess", "embed", "train", "evaluate"}
_WITHOUT_EFFECT = {
    "train": {"seed", "resume", "challenger", "pixels", "profile"},
    "evaluate": {"top", "bootstrap"},
}


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Setting(_Closed):
    """What all runs of all studies have in common."""

    description: str
    parameters: Changes = {}


class Study(_Closed):
    """One question, and the variants that answer it.

    levels: numbers on the axis -> changes; every variant is run at every level. systems: whose rankings are
    compared. notes: what a reader must know besides.
    """

    title: str
    question: str
    notes: str = ""
    systems: tuple[System, ...] = ("fused",)
    axis: str | None = None
    levels: dict[float, Changes] = {}
    variants: dict[str, Changes] = Field({"DWC": {}}, min_length=1)

    @model_validator(mode="after")
    def _levels_have_an_axis(self) -> Study:
        if (self.axis is None) != (not self.levels):
            raise ValueError("give `axis`, the name of what the levels are, and `levels` both or neither")
        return self


class Studies(_Closed):
    """The whole of studies.yaml."""

    setting: Setting
    seeds: tuple[int, ...] = Field(min_length=1)
    measures: tuple[str, ...] = Field(min_length=1)
    studies: dict[str, Study]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A variant (at a level) with its changes of params.yaml, the setting's included."""

    variant: str
    level: float | None
    changes: Changes


@dataclass(frozen=True, kw_only=True)
class Run:
    """A case with a seed. `parameters` is the digest of all effective values but the seed.

    own: the changes beside the setting's, which name the run.
    """

    parameters: str
    seed: int
    changes: Changes
    own: Changes


def load_studies(path: Path) -> Studies:
    """Read studies.yaml. Raises ValueError naming the file, the key and what is wrong with it."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file. Run the command in the project's root folder.")
    try:
        return Studies.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: not valid YAML: {error}") from error
    except ValidationError as error:
        lines = [f"{path}: `{'.'.join(map(str, e['loc']))}`: {e['msg']}." for e in error.errors()]
        raise ValueError("\n".join(lines)) from None


def cases(study: Study, setting: Setting) -> list[Case]:
    """All cases of a study, level by level, in the order of the file."""
    levels: list[tuple[float | None, Changes]] = [*study.levels.items()] or [(None, {})]
    return [
        Case(variant=name, level=level, changes={**setting.parameters, **at_level, **changes})
        for level, at_level in levels
        for name, changes in study.variants.items()
    ]


def run_of(case: Case, setting: Setting, base: Mapping[str, Any], seed: int) -> Run:
    """The run of a case with a seed; `base` are the values of params.yaml."""
    changes = {**case.changes, SEED: seed}
    own = {key: value for key, value in case.changes.items() if setting.parameters.get(key) != value}
    return Run(parameters=parameters_digest(base, case.changes), seed=seed, changes=changes, own=own)


def references(study: Study, setting: Setting, base: Mapping[str, Any]) -> list[int]:
    """For each case the number of the case that it is compared with; its own number where with none.

    With several variants at levels it is the first variant at the same level, else the case without changes.
    Raises ValueError where there is no such case.
    """
    every = cases(study, setting)
    if study.levels and len(study.variants) > 1:
        return [place - place % len(study.variants) for place in range(len(every))]
    plain = parameters_digest(base, setting.parameters)
    found = [n for n, case in enumerate(every) if parameters_digest(base, case.changes) == plain]
    if len(found) != 1:
        raise ValueError(
            f"studies.yaml: `{study.title}` has {len(found)} variants that change nothing, to compare the "
            "others with. Give it exactly one."
        )
    return found * len(every)


def parameters_digest(base: Mapping[str, Any], changes: Changes) -> str:
    """Digest of the values that decide a result, however they came about; the seed is not among them.

    Values that equal the program's defaults are left out, so that a new parameter does not make old runs
    strangers. Raises ValueError where the changes do not make valid parameters.
    """
    values = effective(base, changes).model_dump(
        mode="json", include=_DECISIVE, exclude=dict(_WITHOUT_EFFECT), exclude_defaults=True
    )
    values = {section: part for section, part in values.items() if part}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


def effective(base: Mapping[str, Any], changes: Changes) -> Params:
    """params.yaml's values with changes by dotted key. Raises ValueError naming the change that is wrong."""
    values = copy.deepcopy(dict(base))
    for key, value in changes.items():
        *parents, last = key.split(".")
        section = values
        for parent in parents:
            section = section.setdefault(parent, {})
        section[last] = value
    return parse_params(values, "studies.yaml")
