"""Parameters as MLflow keeps them: one level of names, every value a text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


def flatten(values: Mapping[str, Any]) -> dict[str, str]:
    """Nested parameters as `train.loss.alpha` -> text."""
    return dict(_leaves(values, ""))


def _leaves(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _text(value)


def _text(value: Any) -> str:
    """Texts as they are; everything else as params.yaml would spell it (null, true, [1, 5])."""
    return value if isinstance(value, str) else json.dumps(value, default=str)
