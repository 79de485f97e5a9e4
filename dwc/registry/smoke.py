"""A packaged model asked as its users will ask it, and how long it takes to answer."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dwc.registry.store import first_line, prepare_mlflow

if TYPE_CHECKING:
    import pandas as pd


class UnansweredError(ValueError):
    """The packaged model of `uri` could not be loaded, or did not answer."""

    def __init__(self, uri: str, problem: str) -> None:
        super().__init__(f"{uri}: {problem}")
        self.uri = uri


def median_latencies(uris: Sequence[str], question: pd.DataFrame, *, repeats: int) -> list[float]:
    """Load each model through MLflow, ask it once to warm up and `repeats` times, milliseconds in the middle.

    The models take turns, so that whatever else the machine does falls on all of them alike. Raises
    UnansweredError naming the model that cannot be loaded or does not answer.
    """
    models = [_load(uri) for uri in uris]
    for uri, model in zip(uris, models, strict=True):
        _ask(uri, model, question)
    rounds = [
        [_ask(uri, model, question) for uri, model in zip(uris, models, strict=True)] for _ in range(repeats)
    ]
    return [statistics.median(times) for times in zip(*rounds, strict=True)]


def _load(uri: str) -> object:
    prepare_mlflow()
    import mlflow.pyfunc

    try:
        return mlflow.pyfunc.load_model(uri)
    except Exception as error:  # of whatever library the package's parts are read by
        raise UnansweredError(uri, f"the packaged model cannot be loaded: {first_line(error)}") from error


def _ask(uri: str, model: object, question: pd.DataFrame) -> float:
    """Milliseconds of one prediction, which must find something for every row."""
    started = time.perf_counter()
    try:
        answer = model.predict(question)  # type: ignore[attr-defined]
    except Exception as error:
        raise UnansweredError(uri, f"the packaged model does not answer: {first_line(error)}") from error
    elapsed = 1000 * (time.perf_counter() - started)
    if len(answer) != len(question) or not all(len(ids) for ids in answer["ids"]):
        raise UnansweredError(uri, "the packaged model answers, but finds nothing")
    return elapsed
