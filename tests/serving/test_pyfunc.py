"""The table interface that MLflow serves."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dwc.serving.pyfunc import RetrieverModel, _load_pyfunc
from dwc.serving.retriever import Retriever
from tests.serving.tiny import Tiny


@pytest.fixture(scope="module")
def model(tiny: Tiny) -> RetrieverModel:
    return _load_pyfunc(str(tiny.package))


def test_rows_are_answered_in_order(tiny: Tiny, retriever: Retriever, model: RetrieverModel) -> None:
    pictures = [path.read_bytes() for path in tiny.images[:3]]
    encoded = base64.b64encode(pictures[1]).decode()
    table = pd.DataFrame(
        {
            "image": [pictures[0], encoded, f"data:image/png;base64,{encoded}"],
            "text": ["is red", "is blue", "is blue"],
            "k": [2, 3, np.nan],
        }
    )
    answers = model.predict(table)
    assert list(answers.columns) == ["ids", "scores", "image_weight"]
    assert answers["ids"].map(len).tolist() == [2, 3, 10]
    assert answers["ids"][0] == retriever.search(pictures[0], "is red", 2).ids
    assert answers["ids"][1] == answers["ids"][2][:3] == retriever.search(pictures[1], "is blue", 3).ids
    assert answers["image_weight"][1] == pytest.approx(
        retriever.search(pictures[1], "is blue").image_weight, abs=1e-5
    )


def test_k_may_be_left_out(tiny: Tiny, model: RetrieverModel) -> None:
    table = pd.DataFrame({"image": [tiny.images[0].read_bytes()], "text": ["is red"]})
    assert len(model.predict(table)["ids"][0]) == 10


def test_an_empty_table_has_no_answers(model: RetrieverModel) -> None:
    assert len(model.predict(pd.DataFrame({"image": [], "text": []}))) == 0


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("image", "not base64!", "row 1: image is not valid base64"),
        ("image", "AAAA", "row 1: uploaded image: cannot be decoded"),
        ("image", None, "row 1: image is NoneType, not base64 text"),
        ("text", None, "row 1: text is NoneType, not a text"),
        ("text", "", "row 1: text is empty"),
        ("k", 0, "row 1: k = 0"),
        ("k", 2.5, "row 1: k = 2.5: give a whole number"),
        ("k", float("inf"), "row 1: k = inf: give a whole number"),
        ("k", "many", "row 1: k = 'many': give a whole number"),
    ],
)
def test_errors_name_the_row(
    tiny: Tiny, model: RetrieverModel, column: str, value: Any, message: str
) -> None:
    good = {"image": tiny.images[0].read_bytes(), "text": "is red", "k": 1}
    table = pd.DataFrame([good, good | {column: value}], dtype=object)
    with pytest.raises(ValueError, match=message):
        model.predict(table)


def test_a_missing_column_is_named(model: RetrieverModel) -> None:
    with pytest.raises(ValueError, match="column text is missing"):
        model.predict(pd.DataFrame({"image": ["AAAA"]}))
