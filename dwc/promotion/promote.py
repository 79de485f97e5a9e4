"""Promotion: challenger and champion measured on the same data, held against the gate, and the aliases moved.

Both packages are always measured anew, on the catalogue and by the protocol of this moment: figures that were
recorded on other data or by other code cannot slip into the comparison.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from dwc.config import Params
from dwc.console import Teller
from dwc.evaluation.evaluate import Evaluation
from dwc.evaluation.paired import Paired, changed_queries, compare
from dwc.promotion.contest import Contest, find_contest
from dwc.promotion.measure import Catalogue, Measuring, epoch_selection, measure_package
from dwc.promotion.outcome import Outcome, figures, plain, tags
from dwc.promotion.page import promotion_markdown, promotion_page
from dwc.registry import tracking
from dwc.registry.champions import crown, tag_version
from dwc.registry.gate import Latency, Thresholds, decide
from dwc.registry.lineage import collect_lineage, require_current_build
from dwc.registry.params import flatten
from dwc.registry.run import StageRun
from dwc.registry.smoke import UnansweredError, median_latencies
from dwc.registry.versions import fetch_package, model_name
from dwc.store.texts import clean, sentence

NAME = "promote"
NOTHING_TO_DO = "The challenger is champion already; there is nothing to promote."


@contextmanager
def promotion_run(params: Params, root: Path, *, flow_run_id: str | None = None) -> Iterator[StageRun]:
    """Track a promotion of the project in `root`: a run of its name, with the parameters that decide."""
    tracking.configure(None, root)
    with tracking.stage_run(
        NAME,
        experiment=params.data.name,
        params=flatten(params.model_dump(mode="json", include={"promote", "evaluate"})),
        tags=collect_lineage(root, flow_run_id=flow_run_id),
        upstream={},
    ) as run:
        yield run


def promote(
    params: Params,
    root: Path,
    build: Path,
    *,
    model: str | None,
    without_champion: bool,
    run: StageRun,
    teller: Teller,
) -> Outcome | None:
    """Compare the challenger with the champion on the current data, and move the aliases where it passes.

    Returns None where the challenger is champion already.

    model: the challenger, where it is not the alias of that name; run: what keeps the figures and the page.
    Raises ValueError, moving nothing, where there is nobody to promote or something cannot be measured.
    """
    contest = find_contest(model_name(params.data.name), model, without_champion=without_champion)
    if contest is None:
        return None
    require_current_build(root, params.data.root)
    catalogue = Catalogue.open(build, params.data.root, params.validate_.max_megapixels)
    settings = params.promote
    outcome = examine(
        contest,
        catalogue,
        Measuring.by(params),
        Thresholds(**settings.model_dump(exclude={"predictions"})),
        predictions=settings.predictions,
        teller=teller,
    )
    carry_out(outcome, run)
    run.log_text(promotion_markdown(outcome), "promotion.md")
    run.log_text(promotion_page(outcome, catalogue), "promotion.html")
    return outcome


def examine(
    contest: Contest,
    catalogue: Catalogue,
    measuring: Measuring,
    thresholds: Thresholds,
    *,
    predictions: int,
    teller: Teller,
) -> Outcome:
    """Measure both and decide; changes nothing. Raises ValueError where one of the two cannot be measured."""
    challenger = _measure(contest, contest.challenger, "challenger", catalogue, measuring, teller)
    champion = (
        _measure(contest, contest.champion, "champion", catalogue, measuring, teller)
        if contest.champion
        else None
    )
    metric = measuring.primary_metric
    paired, changed = None, pd.DataFrame()
    if champion:
        paired = _pair(challenger, champion, measuring)
        changed = _with_words(
            changed_queries(challenger.queries, champion.queries, metric), catalogue.tables.triplets
        )
    question = _question(catalogue, measuring.protocol.split)
    latency = teller.step("Ask the packaged models", _latency, contest, question, predictions)
    metrics = _means(challenger)
    return Outcome(
        contest=contest,
        decision=decide(
            metric=metric,
            metrics=metrics,
            difference=paired.difference if paired else None,
            latency=latency,
            thresholds=thresholds,
        ),
        protocol=challenger.queries.protocol,
        metrics=metrics,
        champion_metrics=_means(champion) if champion else {},
        paired=paired,
        changed=changed,
        latency=latency if isinstance(latency, Latency) else None,
    )


def _pair(challenger: Evaluation, champion: Evaluation, measuring: Measuring) -> Paired:
    try:
        return compare(challenger.queries, champion.queries, measuring.primary_metric, measuring.resampling)
    except ValueError as error:  # their trainings chose the epoch, or join captions, differently
        raise ValueError(f"{error} Or promote by the floors alone with --without-champion.") from error


def carry_out(outcome: Outcome, run: StageRun) -> None:
    """Move the aliases where the challenger passed; keep decision, figures and page with its version and run.

    Raises ValueError, moving nothing, where somebody else has become champion in the meantime.
    """
    said, contest = tags(outcome, run.id), outcome.contest
    if outcome.decision.passed:
        crown(contest.name, contest.challenger, instead_of=contest.holder, tags=said)
    else:
        tag_version(contest.name, contest.challenger, said)
    run.log_metrics(figures(outcome))
    run.log_text(json.dumps(plain(outcome), indent=1) + "\n", "promotion.json")


def _measure(
    contest: Contest, version: str, role: str, catalogue: Catalogue, measuring: Measuring, teller: Teller
) -> Evaluation:
    uri = contest.uri(version)
    try:
        return teller.step(
            f"Measure the {role}",
            lambda: measure_package(
                fetch_package(uri),
                catalogue,
                measuring,
                selection=epoch_selection(uri),
                progress=teller.progress(f"{role}'s pictures and texts"),
            ),
        )
    except ValueError as error:
        raise ValueError(f"{uri}, the {role}: {error}{_REMEDIES[role]}") from error


_REMEDIES = {
    "challenger": "",
    "champion": " Return to the one before it with `dwc rollback`, or promote by the floors alone with "
    "--without-champion.",
}


def _with_words(changed: pd.DataFrame, triplets: pd.DataFrame) -> pd.DataFrame:
    """The changed queries with what was asked, for people."""
    words = triplets.set_index("triplet_id")[["captions", "reference_id", "target_id"]]
    joined = changed.join(words, on="triplet_id")
    return joined.assign(text=[sentence(clean(row)) for row in joined["captions"]]).drop(columns="captions")


def _latency(contest: Contest, question: pd.DataFrame, predictions: int) -> Latency | str:
    """Both models' latency, or why the challenger does not answer.

    Raises ValueError where the champion does not.
    """
    versions = [contest.challenger, *([contest.champion] if contest.champion else [])]
    try:
        found = median_latencies(
            [contest.uri(version) for version in versions], question, repeats=predictions
        )
    except UnansweredError as error:
        if error.uri != contest.uri(contest.challenger):
            raise
        return str(error)
    return Latency(challenger=found[0], champion=found[1] if contest.champion else None)


def _question(catalogue: Catalogue, split: str) -> pd.DataFrame:
    """One of the split's own queries, as the model's users send it."""
    triplets = catalogue.tables.triplets
    triplet = triplets[triplets["split"] == split].iloc[0]
    (row,) = catalogue.store.rows([triplet["reference_id"]])
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(catalogue.store.pixels[row])).save(buffer, format="PNG")
    picture = base64.b64encode(buffer.getvalue()).decode("ascii")
    return pd.DataFrame({"image": [picture], "text": [sentence(clean(triplet["captions"]))], "k": [5]})


def _means(evaluation: Evaluation) -> dict[str, float]:
    """The fused system's measures, those that exist."""
    measured = evaluation.metrics["systems"]["fused"]["mean"]
    return {name: float(entry["value"]) for name, entry in measured.items() if entry["value"] is not None}
