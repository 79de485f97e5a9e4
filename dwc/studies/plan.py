"""What a study needs, what of it is recorded, and the documents that follow from the records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dwc.config import Evaluate
from dwc.evaluation.bootstrap import Resampling
from dwc.files import atomic_file, write_text
from dwc.html import save_png
from dwc.studies.comparison import compare
from dwc.studies.definition import Run, Studies, Study, cases, effective, references, run_of
from dwc.studies.figure import study_figure
from dwc.studies.page import study_page
from dwc.studies.records import Records


@dataclass(frozen=True, kw_only=True)
class Versions:
    """What a run must agree in to count as done: md5 of the data, digest of the stages' code (None = any).

    Documents take the newest run of the data, whatever its code, and say so where codes differ.
    """

    data: str
    code: str | None


class Plan:
    """The studies of studies.yaml on the values of params.yaml, beside the records."""

    def __init__(
        self, studies: Studies, base: Mapping[str, Any], records: Records, versions: Versions
    ) -> None:
        self.studies = studies
        self.records = records
        self._base = base
        self._versions = versions

    def study(self, name: str) -> Study:
        """A study by its name. Raises ValueError listing the names there are."""
        if name not in self.studies.studies:
            raise ValueError(
                f"study `{name}`: there is none of this name. Known are: {', '.join(self.names())}."
            )
        return self.studies.studies[name]

    def names(self) -> list[str]:
        """Names of all studies."""
        return list(self.studies.studies)

    def runs(self, names: Iterable[str]) -> list[Run]:
        """Every run that the studies need, each once; all cases with the first seed come first."""
        every = {
            (run.parameters, run.seed): run
            for seed in self.studies.seeds
            for name in names
            for run in self._runs(self.study(name), seed)
        }
        return list(every.values())

    def recorded(self, run: Run) -> str | None:
        """Name of the run's record, if it has one of the present code and data."""
        return self.records.find(run, data=self._versions.data, code=self._versions.code)

    def missing(self, names: Iterable[str]) -> list[Run]:
        """Runs of the studies that have no record of the present code and data."""
        return [run for run in self.runs(names) if self.recorded(run) is None]

    def shown(self, names: Iterable[str]) -> list[Run]:
        """Runs of the studies that tables are made of: those with a record, of whatever code."""
        return [run for run in self.runs(names) if self._newest(run) is not None]

    def write(self, name: str, folder: Path) -> Path:
        """Write the table and the figure of a study; returns the page's path.

        Raises ValueError where none of its runs is recorded.
        """
        study, setting = self.study(name), self.studies.setting
        found = self._found(study)
        used = {run for by_seed in found for run in by_seed.values()}
        if not used:
            raise ValueError(f"study `{name}`: none of its runs is recorded. Run `dwc study {name}` first.")
        settings = effective(self._base, setting.parameters).evaluate
        common: dict[str, Any] = {
            "measures": self.studies.measures,
            "primary": settings.primary_metric,
            "resampling": _resampling(settings),
        }
        every = cases(study, setting)
        comparison = compare(
            study, every, references(study, setting, self._base), found, self.records, **common
        )
        lines = self.records.runs[self.records.runs["run"].isin(used)]
        page = study_page(name, study, setting, comparison, lines, seeds=self.studies.seeds, **common)
        with atomic_file(folder / f"{name}.png") as file:
            save_png(study_figure(study, comparison, settings.primary_metric), file)
        write_text(folder / f"{name}.md", page)
        return folder / f"{name}.md"

    def _found(self, study: Study) -> list[dict[int, str]]:
        """For each case, seed -> name of its run."""
        by_seed = {seed: self._runs(study, seed) for seed in self.studies.seeds}
        return [
            {seed: found for seed, runs in by_seed.items() if (found := self._newest(runs[place]))}
            for place in range(len(by_seed[self.studies.seeds[0]]))
        ]

    def _newest(self, run: Run) -> str | None:
        return self.records.find(run, data=self._versions.data, code=None)

    def _runs(self, study: Study, seed: int) -> list[Run]:
        setting = self.studies.setting
        return [run_of(case, setting, self._base, seed) for case in cases(study, setting)]


def _resampling(settings: Evaluate) -> Resampling:
    return Resampling(**settings.bootstrap.model_dump())
