"""The results of single queries: what two models must share to be compared query by query.

They are kept in one small text file beside the metrics, so that any revision of the repository can be
compared with without its data, its models or a tracking store.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float

from dwc.evaluation.metrics import measure_of
from dwc.evaluation.protocols import Protocol, SearchTask
from dwc.evaluation.summary import Measures
from dwc.files import write_text

COLUMNS = ("triplet_id", "category", "rank")
_HEADINGS = ("protocol", "searched")
_FROM_RELEVANT = "relevant_recall_at_"


@dataclass(frozen=True, kw_only=True)
class QueryResults:
    """How one model did on every query.

    protocol: the protocol's key. searched: digest of what was searched for and in (`searched_digest`); only
    results with the same digest can be paired. table: triplet_id, category, rank of the best hit (inf = none
    in the gallery) and, where relevant sets are known, the recall of them; in the order of the search.
    """

    protocol: str
    searched: str
    table: pd.DataFrame

    def values(self, metric: str) -> dict[str, Float[np.ndarray, " _"]]:
        """Category -> the metric's value of each query (NaN = undefined). Raises ValueError for others."""
        column = self.table.assign(value=self._column(metric))
        parts = column.groupby("category", sort=True)["value"]
        return {str(category): part.to_numpy(np.float64) for category, part in parts}

    def _column(self, metric: str) -> Float[np.ndarray, " queries"]:
        if metric in self.table.columns and metric not in COLUMNS:
            return self.table[metric].to_numpy(np.float64)
        return measure_of(self.table["rank"].to_numpy(np.float64), metric)


def query_results(
    tasks: Sequence[SearchTask],
    measures: Mapping[str, Measures],
    image_ids: Sequence[str],
    protocol: Protocol,
) -> QueryResults:
    """Collect one system's results; measures: by category, in the order of each task's queries."""
    frames = [
        pd.DataFrame(
            {
                "triplet_id": task.triplets["triplet_id"].to_numpy(),
                "category": task.category,
                "rank": measures[task.category].ranks,
                **_of_relevant(measures[task.category]),
            }
        )
        for task in tasks
    ]
    return QueryResults(
        protocol=protocol.key(),
        searched=searched_digest(tasks, image_ids),
        table=pd.concat(frames, ignore_index=True),
    )


def searched_digest(tasks: Sequence[SearchTask], image_ids: Sequence[str]) -> str:
    """Digest of the queries, what counts as their hits, what is masked, and the galleries, all by name.

    Two data versions that differ only in what was trained on have the same.
    """
    names = np.asarray(image_ids, dtype=object)
    digest = hashlib.sha256()
    for task in tasks:
        gallery = names[task.gallery].tolist()
        hits = [
            (
                triplet,
                sorted(names[task.gallery[task.labels == target]]),
                gallery[masked] if masked >= 0 else "",
            )
            for triplet, target, masked in zip(
                task.triplets["triplet_id"], task.target_labels, task.masked, strict=True
            )
        ]
        digest.update(repr((task.category, sorted(gallery), sorted(hits))).encode())
    return digest.hexdigest()[:16]


def save_queries(results: QueryResults, file: Path) -> None:
    """Write the file whole or not at all: two headings, then a CSV table with one query in a line."""
    headings = "".join(f"# {name}: {getattr(results, name)}\n" for name in _HEADINGS)
    table = results.table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    write_text(file, headings + table)


def load_queries(file: Path) -> QueryResults:
    """Read what `save_queries` wrote. Raises ValueError where it is missing or something else."""
    if not file.is_file():
        raise ValueError(f"{file}: no such file. Run the evaluate stage first (`dvc repro`).")
    return parse_queries(file.read_text(encoding="utf-8"), str(file))


def parse_queries(text: str, source: str) -> QueryResults:
    """Results from the file's text; `source` names it in errors."""
    lines = text.split("\n", len(_HEADINGS))
    headings = dict(line.removeprefix("# ").split(": ", 1) for line in lines[:-1] if line.startswith("# "))
    if set(headings) != set(_HEADINGS):
        raise ValueError(f"{source}: not a file of query results, which the evaluate stage writes.")
    table = pd.read_csv(StringIO(lines[-1]), dtype=str, keep_default_na=False)  # an id may well be `NA`
    if missing := [name for name in COLUMNS if name not in table.columns]:
        raise ValueError(f"{source}: column `{missing[0]}` is missing. Run the evaluate stage again.")
    numbers = [name for name in table.columns if name not in ("triplet_id", "category")]
    try:
        table[numbers] = table[numbers].replace("", "nan").astype(np.float64)
    except ValueError as error:
        raise ValueError(f"{source}: {error}. Run the evaluate stage again.") from error
    return QueryResults(**headings, table=table)


def _of_relevant(measures: Measures) -> dict[str, Float[np.ndarray, " queries"]]:
    """The measures that do not follow from the rank alone."""
    return {name: values for name, values in measures.by_name.items() if name.startswith(_FROM_RELEVANT)}
