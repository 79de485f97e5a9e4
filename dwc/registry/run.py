"""One stage's run while it is open: what can be kept with it."""

from __future__ import annotations

import json
import re
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dwc.registry.delivery import Delivery
from dwc.registry.lineage import UNKNOWN

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities import Metric

_METRIC_NAME = re.compile(r"[\w\-. :/]{1,250}")
_LONGEST_DIGEST = 36  # characters that MLflow keeps: an md5 and `.dir`
_SCHEMA_ROWS = 1000  # enough to see the columns' types; MLflow looks at every element
_DATASET_CONTEXT = {"train": "training", "evaluate": "evaluation"}


class StageRun:
    """A run: `id`, and what can be kept with it. Made and ended by `tracking.stage_run`."""

    def __init__(self, client: MlflowClient, run_id: str, stage: str) -> None:
        self.id = run_id
        self.stage = stage
        self._client = client
        self._metrics: Delivery[Metric] = Delivery(self._send)

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Keep the values of a step; returns at once, they are sent in the background.

        Raises ValueError for a name that MLflow cannot keep.
        """
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        for name in metrics:
            if not _METRIC_NAME.fullmatch(name):
                raise ValueError(f"metric {name!r}: use up to 250 letters, digits and `_-. :/`.")
        self._metrics.add([Metric(name, float(value), now, step or 0) for name, value in metrics.items()])

    def tag(self, tags: Mapping[str, str]) -> None:
        """Mark the run with names and values by which runs are searched."""
        for name, value in tags.items():
            self._client.set_tag(self.id, name, value)

    def log_artifact(self, path: Path, folder: str | None = None) -> None:
        """Keep a file, or everything in a folder, under `folder` of the run's artifacts."""
        if path.is_dir():
            self._client.log_artifacts(self.id, str(path), folder)
        elif path.is_file():
            self._client.log_artifact(self.id, str(path), folder)
        else:
            raise ValueError(f"{path}: no such file or folder to keep with the {self.stage} run.")

    def log_text(self, text: str, file: str) -> None:
        """Keep a text as an artifact of the given name."""
        self._client.log_text(self.id, text, file)

    def log_dataset(
        self, name: str, *, digest: str | None, source: str, rows: int, frame: pd.DataFrame
    ) -> None:
        """Name a table as the run's input: what it learnt from ("training") or measured on ("evaluation").

        digest: version of the data, such as DVC's md5; where it is unknown MLflow digests the table itself.
        source: where the data lies; rows: how many the stage used, where `frame` is an excerpt of them.
        """
        from mlflow.data.pandas_dataset import from_pandas
        from mlflow.entities import Dataset, DatasetInput, InputTag

        known = digest[:_LONGEST_DIGEST] if digest and digest != UNKNOWN else None
        with warnings.catch_warnings():
            # MLflow warns of integer columns (the table is only described here) and of its own sources.
            warnings.simplefilter("ignore", UserWarning)
            excerpt = frame.head(_SCHEMA_ROWS) if known else frame
            described = from_pandas(excerpt, source=source, name=name, digest=known).to_dict()
        dataset = Dataset(**{**described, "profile": json.dumps({"num_rows": rows})})
        context = InputTag("mlflow.data.context", _DATASET_CONTEXT.get(self.stage, self.stage))
        self._client.log_inputs(self.id, datasets=[DatasetInput(dataset, [context])])

    @property
    def delivered(self) -> int:
        """How many metric values have arrived."""
        return self._metrics.delivered

    @property
    def metric_error(self) -> Exception | None:
        """Why metric values did not arrive the last time they did not."""
        return self._metrics.error

    def close(self) -> int:
        """Deliver the metrics that still wait; return how many could not be."""
        return self._metrics.close()

    def _send(self, metrics: Sequence[Metric]) -> None:
        self._client.log_batch(self.id, metrics=metrics)
