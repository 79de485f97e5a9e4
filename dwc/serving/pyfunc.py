"""The retriever behind MLflow's generic Python model: what `mlflow models serve` loads and asks.

MLflow finds this module by name (`loader_module`) and calls `_load_pyfunc`; nothing is pickled.
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Any

import pandas as pd

from dwc.model.precision import pick_device
from dwc.serving.questions import Question
from dwc.serving.retriever import Retriever

DEFAULT_K = 10


class RetrieverModel:
    """Answers a table of questions."""

    def __init__(self, retriever: Retriever) -> None:
        self._retriever = retriever

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Answer each row in order.

        Columns: image (base64 text of a picture file, or its bytes), text, and optionally k (default 10).
        Returns ids (best first), scores and image_weight (mean of both streams, 0 to 1). `params` is part of
        MLflow's interface; there are none. Raises ValueError naming the row (from 0) that is wrong.
        """
        if missing := {"image", "text"} - set(model_input.columns):
            raise ValueError(
                f"column {sorted(missing)[0]} is missing: give image and text, and k if you like."
            )
        rows = model_input.to_dict("records")
        answers = self._retriever.search_many([_question(number, row) for number, row in enumerate(rows)])
        return pd.DataFrame(
            {
                "ids": [answer.ids for answer in answers],
                "scores": [answer.scores for answer in answers],
                "image_weight": [answer.image_weight for answer in answers],
            }
        )


def _load_pyfunc(data_path: str) -> RetrieverModel:
    """Load the serving package that was logged; MLflow prescribes the name."""
    return RetrieverModel(Retriever.load(Path(data_path), pick_device("auto")))


def _question(number: int, row: dict[Any, Any]) -> Question:
    try:
        return Question(image=_image_bytes(row["image"]), text=_text(row["text"]), k=_wanted(row.get("k")))
    except ValueError as error:
        raise ValueError(f"row {number}: {error}") from error


def _image_bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise ValueError(f"image is {type(value).__name__}, not base64 text.")
    data = value.partition(",")[2] if value.startswith("data:") else value
    try:
        return base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(
            f"image is not valid base64 ({error}). Send the picture file's bytes encoded."
        ) from error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"text is {type(value).__name__}, not a text.")
    return value


def _wanted(value: Any) -> int:
    if value is None or value is pd.NA or value != value:  # MLflow may fill an optional column with NaN
        return DEFAULT_K
    if not isinstance(value, int | float) or isinstance(value, bool) or not float(value).is_integer():
        raise ValueError(f"k = {value!r}: give a whole number.")
    return int(value)
