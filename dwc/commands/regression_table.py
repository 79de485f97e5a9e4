"""A regression check for people: in the terminal and in a pull request."""

from __future__ import annotations

from rich import box
from rich.table import Table

from dwc.evaluation.paired import Paired, changed_queries
from dwc.evaluation.queries import QueryResults
from dwc.evaluation.wording import measure_label, value_text
from dwc.markdown import table

_WORDS = {"better": "better", "worse": "WORSE", "no difference": "–"}
_STYLES = {"better": "green", "worse": "red", "no difference": ""}
_LISTED = 10  # lost queries named in the pull request


def regression_table(compared: list[Paired], primary: Paired, against: str, new: QueryResults) -> Table:
    """Every metric of both, one in a line; fits 100 columns."""
    shown = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        caption=f"{len(new.table):,} queries, {new.protocol}; recall in %, differences with paired intervals",
        caption_justify="left",
    )
    for heading in ("", against[:20], "here", "difference", "won", "lost", ""):
        shown.add_column(heading, justify="left" if heading == "" else "right", overflow="ellipsis")
    for one in compared:
        style = "bold" if one is primary else ""
        word = (
            f"[{_STYLES[one.verdict]}]{_WORDS[one.verdict]}[/]"
            if _STYLES[one.verdict]
            else _WORDS[one.verdict]
        )
        shown.add_row(*_cells(one), word, style=style)
    return shown


def _cells(one: Paired) -> list[str]:
    scale, digits = (1, 3) if one.metric == "mrr" else (100, 1)
    value, low, high = (
        scale * number for number in (one.difference.value, one.difference.low, one.difference.high)
    )
    return [
        measure_label(one.metric),
        value_text(one.metric, one.old),
        value_text(one.metric, one.new),
        f"{value:+.{digits}f} ({low:+.{digits}f} to {high:+.{digits}f})",
        f"{one.wins:,}",
        f"{one.losses:,}",
    ]


def verdict_words(primary: Paired, against: str) -> str:
    """The result in one sentence."""
    label = measure_label(primary.metric)
    return {
        "worse": f"{label} is significantly worse than {against}.",
        "better": f"{label} is significantly better than {against}.",
        "no difference": f"{label} does not differ significantly from {against}.",
    }[primary.verdict]


def regression_markdown(
    compared: list[Paired], primary: Paired, against: str, new: QueryResults, old: QueryResults
) -> str:
    """The same for a pull request, with the queries that lost most."""
    mark = {"worse": "❌", "better": "✅", "no difference": "➖"}
    rows = [[*_cells(one), mark[one.verdict]] for one in compared]
    parts = [
        f"### {mark[primary.verdict]} {verdict_words(primary, against)}",
        table(["", against, "here", "difference", "won", "lost", ""], rows),
        f"{len(new.table):,} queries, protocol `{new.protocol}`; recall in %, differences with paired "
        f"bootstrap intervals. {measure_label(primary.metric)} decides.",
    ]
    changed = changed_queries(new, old, primary.metric)
    lost = changed[~changed["won"].astype(bool)].head(_LISTED)
    if len(lost):
        cells = [
            [str(row["triplet_id"]), f"{row['old_rank']:g}", f"{row['new_rank']:g}"]
            for row in lost.to_dict("records")
        ]
        listed = table(["query", "rank before", "rank now"], cells)
        parts.append(f"<details><summary>Largest losses</summary>\n\n{listed}\n\n</details>")
    return "\n\n".join(parts) + "\n"
