"""`dwc regression`: whether the model of the workspace answers queries worse than an earlier one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from dwc.console import TerminalTeller, errors_in_one_screen
from dwc.git import GitError, git

if TYPE_CHECKING:
    from dwc.config import Params
    from dwc.evaluation.queries import QueryResults

QUERIES = Path("metrics/queries.csv")
CHAMPION = "champion"
NOT_COMPARABLE = 2  # the status where nothing can be said, to be told from a loss


def regression(
    against: Annotated[
        str, typer.Option(help="a git revision, `champion`, or a file that the evaluate stage wrote")
    ],
    markdown: Annotated[Path | None, typer.Option(help="also write the result, for a pull request")] = None,
) -> None:
    """Compare the last evaluation with another, query by query.

    A significant loss ends with status 1; results that cannot be compared with 2.
    """
    from dwc.commands.regression_table import regression_markdown, regression_table, verdict_words
    from dwc.config import load_params
    from dwc.evaluation.bootstrap import Resampling
    from dwc.evaluation.paired import compare
    from dwc.evaluation.queries import load_queries
    from dwc.files import write_text

    with errors_in_one_screen(NOT_COMPARABLE):
        params = load_params(Path("params.yaml"))
        settings = params.evaluate
        new = load_queries(QUERIES)
        old = _champion(params) if against == CHAMPION else _earlier(against)
        recalls = [f"recall_at_{k}" for k in settings.recall_at]
        metrics = dict.fromkeys([*recalls, "mrr", settings.primary_metric])
        resampling = Resampling(**settings.bootstrap.model_dump())
        compared = {metric: compare(new, old, metric, resampling) for metric in metrics}
        primary = compared[settings.primary_metric]
        if markdown:
            page = regression_markdown(list(compared.values()), primary, against, new, old)
            write_text(markdown, page)
    Console().print(regression_table(list(compared.values()), primary, against, new))
    typer.echo(verdict_words(primary, against))
    if primary.verdict == "worse":
        raise typer.Exit(1)


def _earlier(against: str) -> QueryResults:
    """The results in a file, or those committed with a git revision."""
    from dwc.evaluation.queries import load_queries, parse_queries

    if Path(against).is_file():
        return load_queries(Path(against))
    try:
        committed = git(Path.cwd(), "show", f"{against}:./{QUERIES.as_posix()}")
    except GitError as error:
        raise ValueError(
            f"--against {against}: no results of single queries there ({str(error).splitlines()[0]}). It can "
            f"be compared with where {QUERIES}, which `dvc repro` writes, is committed; else use `--against "
            "champion` or a file."
        ) from error
    return parse_queries(committed, f"{against}:{QUERIES}")


def _champion(params: Params) -> QueryResults:
    """The champion's package measured on the workspace's data, as these are now."""
    from dwc.promotion.measure import Catalogue, Measuring, epoch_selection, measure_package
    from dwc.registry import tracking
    from dwc.registry.lineage import require_current_build
    from dwc.registry.versions import fetch_package, model_name

    root = Path.cwd()
    tracking.configure(None, root)
    require_current_build(root, params.data.root)
    uri = f"models:/{model_name(params.data.name)}@{CHAMPION}"
    package, selection = fetch_package(uri), epoch_selection(uri)
    catalogue = Catalogue.open(Path("build"), params.data.root, params.validate_.max_megapixels)
    measuring, teller = Measuring.by(params), TerminalTeller()
    found = teller.step(
        "Measure the champion",
        lambda: measure_package(
            package, catalogue, measuring, selection=selection, progress=teller.progress("pictures")
        ),
    )
    return found.queries
