"""A promotion for people: Markdown for Prefect's pages and pull requests, HTML with pictures for MLflow's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from dwc.evaluation.wording import measure_label, value_text
from dwc.html import picture, render
from dwc.markdown import table
from dwc.promotion.measure import Catalogue
from dwc.promotion.outcome import Outcome
from dwc.registry.gate import interval_words

_ROWS = 10  # queries won, and as many lost, on a page


def promotion_markdown(outcome: Outcome) -> str:
    """Decision, checks, figures of both, and the largest wins and losses."""
    checks = [
        ["✓" if check.passed else "✗", check.name, check.found, check.needed]
        for check in outcome.decision.checks
    ]
    parts = [
        f"# {headline(outcome)}",
        f"{outcome.decision.reason}.\n\nProtocol `{outcome.protocol}`.",
        table(["", "check", "found", "needed"], checks),
        table(_metric_headings(outcome), [list(row.values()) for row in metric_rows(outcome)]),
    ]
    if outcome.paired:
        parts.append(_score(outcome))
        for title, rows in (("Won", _moved(outcome, won=True)), ("Lost", _moved(outcome, won=False))):
            if rows:
                cells = [[row["triplet_id"], row["text"], row["old"], row["new"]] for row in rows]
                parts.append(f"## {title}\n\n{table(['query', 'text', 'rank before', 'rank now'], cells)}")
    return "\n\n".join(parts) + "\n"


def promotion_page(outcome: Outcome, catalogue: Catalogue) -> str:
    """The same as a page of its own, with the pictures of the queries that were won and lost."""
    return render(
        "promotion.html.j2",
        headline=headline(outcome),
        passed=outcome.decision.passed,
        reason=f"{outcome.decision.reason}.",
        protocol=outcome.protocol,
        checks=outcome.decision.checks,
        headings=_metric_headings(outcome),
        metrics=metric_rows(outcome),
        score=_score(outcome) if outcome.paired else "",
        difference=interval_words(outcome.paired.difference) if outcome.paired else "",
        moves=[
            (title, [row | _pictures(row, catalogue) for row in _moved(outcome, won=won)])
            for title, won in (("Won", True), ("Lost", False))
        ]
        if outcome.paired
        else [],
    )


def headline(outcome: Outcome) -> str:
    """Such as `dwc-wardrobe version 4 is promoted`."""
    contest = outcome.contest
    verb = "is promoted" if outcome.decision.passed else "is refused"
    return f"{contest.name} version {contest.challenger} {verb}"


def metric_rows(outcome: Outcome) -> list[dict[str, str]]:
    """Each measure of both models as texts: measure, champion where there is one, challenger."""
    rows = []
    for name, value in outcome.metrics.items():
        row = {"measure": measure_label(name)}
        if outcome.champion_metrics:
            row["champion"] = value_text(name, outcome.champion_metrics.get(name))
        rows.append(row | {"challenger": value_text(name, value)})
    return rows


def _metric_headings(outcome: Outcome) -> list[str]:
    contest = outcome.contest
    champion = [f"champion (version {contest.champion})"] if outcome.champion_metrics else []
    return ["", *champion, f"challenger (version {contest.challenger})"]


def _score(outcome: Outcome) -> str:
    assert outcome.paired is not None
    paired = outcome.paired
    return (
        f"{measure_label(paired.metric)}, challenger minus champion: {interval_words(paired.difference)}. "
        f"{paired.wins:,} queries won, {paired.losses:,} lost."
    )


def _moved(outcome: Outcome, *, won: bool) -> list[dict[str, Any]]:
    """The largest moves of one direction, ranks as texts."""
    changed = outcome.changed
    rows = changed[changed["won"] == won].head(_ROWS)
    return [
        {
            **{name: row[name] for name in ("triplet_id", "text", "reference_id", "target_id")},
            "old": _rank(row["old_rank"]),
            "new": _rank(row["new_rank"]),
        }
        for row in rows.to_dict("records")
    ]


def _pictures(row: Mapping[str, Any], catalogue: Catalogue) -> dict[str, str | None]:
    return {
        role: _picture(row[f"{role}_id"], catalogue.store.image_ids, catalogue)
        for role in ("reference", "target")
    }


def _picture(image_id: str | None, known: list[str], catalogue: Catalogue) -> str | None:
    """None where the picture of a target is withheld or could not be read."""
    if image_id is None or pd.isna(image_id) or image_id not in known:
        return None
    (row,) = catalogue.store.rows([image_id])
    return picture(np.asarray(catalogue.store.pixels[row]))


def _rank(value: float) -> str:
    return f"{int(value):,}" if np.isfinite(value) else "not in the gallery"
