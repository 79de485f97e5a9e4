"""The records of studies' runs: one line each in runs.csv, and every query's ranks in ranks.parquet.

Tables and figures are made from these two files alone. A run's ranks are written before its line, so a run
that has a line is whole.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from dwc.files import atomic_file
from dwc.studies.definition import Run

SYSTEMS = ("fused", "cnn", "clip")
RUNS, RANKS = "runs.csv", "ranks.parquet"
_FACTS = ("run", "date", "seed", "changes", "parameters", "data", "code", "git", "machine", "protocol")

Ranks = Float[np.ndarray, " queries"]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a run was made from and on: md5 of the data, digest of the stages' code, commit, date, machine."""

    data: str
    code: str
    git: str
    date: str
    machine: str


class Records:
    """The runs of all studies, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        file = folder / RUNS
        text = dict.fromkeys((*_FACTS[:2], *_FACTS[3:]), str)
        self.runs = pd.read_csv(file, dtype=text) if file.is_file() else pd.DataFrame(columns=list(_FACTS))
        self._ranks: pd.DataFrame | None = None

    def find(self, run: Run, *, data: str, code: str | None) -> str | None:
        """Name of the recorded run with these parameters, seed, data and code; None where there is none.

        code = None takes the newest whatever its code.
        """
        same = self.runs[
            (self.runs["parameters"] == run.parameters)
            & (self.runs["seed"] == run.seed)
            & (self.runs["data"] == data)
        ]
        if code is not None:
            same = same[same["code"] == code]
        return None if same.empty else str(same["run"].iloc[-1])

    def add(
        self,
        name: str,
        run: Run,
        facts: Facts,
        *,
        metrics: Mapping[str, Any],
        rankings: pd.DataFrame,
        seconds: float,
    ) -> None:
        """Record a run; one of the same name is replaced. metrics, rankings: as evaluation wrote them."""
        self._save_ranks(name, rankings)
        line = {
            "run": name,
            "date": facts.date,
            "seed": run.seed,
            "changes": json.dumps(run.own, ensure_ascii=False),
            "parameters": run.parameters,
            "data": facts.data,
            "code": facts.code,
            "git": facts.git,
            "machine": facts.machine,
            "protocol": metrics["protocol"]["key"],
            "seconds": round(seconds, 1),
            "queries": metrics["queries"],
            **_flat(metrics),
        }
        kept = self.runs[self.runs["run"] != name]
        self.runs = pd.DataFrame([*kept.to_dict("records"), line])
        with atomic_file(self._folder / RUNS) as file:
            self.runs.to_csv(file, index=False, float_format="%.6g")

    def ranks(self, name: str) -> dict[str, dict[str, Ranks]]:
        """System -> category -> rank of each query's best hit (inf = none), in one order for all runs.

        Raises ValueError where the ranks of the run are missing.
        """
        file = self._folder / RANKS
        rows = self._all_ranks()
        rows = rows[rows["run"] == name].sort_values("triplet_id")
        if rows.empty:
            raise ValueError(
                f"{file}: no ranks of run `{name}`. Take its line out of {RUNS} to run it again."
            )
        return {
            system: {
                str(category): part[system].astype("Float64").to_numpy(np.float64, na_value=np.inf)
                for category, part in rows.groupby("category")
            }
            for system in SYSTEMS
        }

    def line(self, name: str) -> dict[str, Any]:
        """The line of a run."""
        found = self.runs[self.runs["run"] == name].iloc[-1]
        return {str(key): value for key, value in found.items()}

    def _all_ranks(self) -> pd.DataFrame:
        """One row a run and query; read once."""
        file = self._folder / RANKS
        if self._ranks is None:
            empty = pd.DataFrame(columns=["run", "category", "triplet_id", *SYSTEMS])
            self._ranks = pd.read_parquet(file) if file.is_file() else empty
        return self._ranks

    def _save_ranks(self, name: str, rankings: pd.DataFrame) -> None:
        """One row a run and query, sorted by query: equal neighbours make the file small."""
        chosen = rankings[rankings["system"].isin(SYSTEMS)]
        wide = chosen.pivot(index=["category", "triplet_id"], columns="system", values="rank").reset_index()
        wide.insert(0, "run", name)
        kept = self._all_ranks()
        parts = [part for part in (kept[kept["run"] != name], wide) if len(part)]
        everything = pd.concat(parts).astype(dict.fromkeys(SYSTEMS, "Int32"))
        self._ranks = everything.sort_values(["triplet_id", "run"], ignore_index=True)
        with atomic_file(self._folder / RANKS) as file:
            self._ranks.to_parquet(file, index=False, compression="zstd", compression_level=19)


def _flat(metrics: Mapping[str, Any]) -> dict[str, float | None]:
    """`system.measure` -> mean over categories, and the mean image weight of each stream."""
    means = {
        f"{system}.{measure}": entry["value"]
        for system in SYSTEMS
        for measure, entry in metrics["systems"][system]["mean"].items()
    }
    return means | {
        f"{stream}.image_weight": entry["mean"] for stream, entry in metrics["image_weight"].items()
    }
