"""Commands about model versions: promote, rollback, lineage, checkout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from dwc.console import TerminalTeller, errors_in_one_screen

ModelUri = Annotated[
    str, typer.Argument(help="such as models:/dwc-wardrobe@champion or models:/dwc-wardrobe/3")
]


def promote(
    model: Annotated[str | None, typer.Option(help="default: the alias `challenger`")] = None,
    without_champion: Annotated[
        bool, typer.Option("--without-champion", help="by the floors alone, compared with nobody")
    ] = False,
) -> None:
    """Make the challenger champion if it passes the gate; a failed gate ends with status 1."""
    from dwc.config import load_params
    from dwc.promotion.page import headline
    from dwc.promotion.promote import NOTHING_TO_DO, promotion_run
    from dwc.promotion.promote import promote as hold_contest

    with errors_in_one_screen():
        root, params = Path.cwd(), load_params(Path("params.yaml"))
        with promotion_run(params, root) as run:
            outcome = hold_contest(
                params,
                root,
                Path("build"),
                model=model,
                without_champion=without_champion,
                run=run,
                teller=TerminalTeller(),
            )
    typer.echo(f"{headline(outcome)}: {outcome.decision.reason}." if outcome else NOTHING_TO_DO)
    if outcome and not outcome.decision.passed:
        raise typer.Exit(1)


def rollback() -> None:
    """Make the previous champion champion again."""
    from dwc.config import load_params
    from dwc.registry import tracking
    from dwc.registry.champions import roll_back
    from dwc.registry.versions import model_name

    with errors_in_one_screen():
        tracking.configure(None, Path.cwd())
        name = model_name(load_params(Path("params.yaml")).data.name)
        before, after = roll_back(name)
    typer.echo(
        f"{name}: version {after} is champion again" + (f", no longer version {before}." if before else ".")
    )


def lineage(
    model: ModelUri,
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
) -> None:
    """Show what a model version was made from: runs, flow run, commit, data, parameters."""
    from dwc.commands.lineage_tree import lineage_tree
    from dwc.registry import tracking
    from dwc.registry.chain import version_chain

    with errors_in_one_screen():
        tracking.configure(None, Path.cwd())
        chain = version_chain(model)
    if as_json:
        typer.echo(json.dumps(chain.plain(), indent=2))
    else:
        Console().print(lineage_tree(chain), highlight=False)


def checkout(
    model: ModelUri,
    into: Annotated[Path, typer.Option(help="new folder, which becomes a git worktree")],
) -> None:
    """Restore the code, parameters and data that a model version was made from, in a folder of their own."""
    from dwc.registry import tracking
    from dwc.registry.restore import restore

    with errors_in_one_screen():
        tracking.configure(None, Path.cwd())
        restored = restore(model, Path.cwd(), into)
    typer.echo(f"{into}: commit {restored.git_sha[:12]}, data {restored.data}.")
    typer.echo(f"Make the model anew: cd {into} && dvc repro")
