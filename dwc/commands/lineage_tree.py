"""A model version's chain as a tree that fits one screen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta

from rich.markup import escape
from rich.tree import Tree

from dwc.config import Params
from dwc.registry.chain import Chain, RunLink
from dwc.registry.params import flatten

_DIRTY = {"true": "[yellow]with changes[/yellow]", "false": "clean"}
_MOST_CHANGES = 4
_WIDTH = 12  # of the names of what is shown


def lineage_tree(chain: Chain) -> Tree:
    """Version, promotion, runs, code, data, and the parameters that differ from the defaults."""
    aliases = f"  [green]{', '.join(chain.aliases)}[/green]" if chain.aliases else ""
    tree = Tree(f"[bold]{chain.name} version {chain.version}[/bold]{aliases}", guide_style="dim")
    if chain.promotion:
        tree.add(_promotion(chain.promotion))
    _add_runs(tree, chain)
    tree.add(f"{'flow run':<{_WIDTH}}{chain.flow_run}")
    if chain.dvc_experiment not in ("none", "unknown"):
        tree.add(f"{'experiment':<{_WIDTH}}{escape(chain.dvc_experiment)} (DVC)")
    _add_code(tree, chain)
    tree.add(f"{'data':<{_WIDTH}}{chain.data}  [dim]data.dvc[/dim]")
    tree.add(f"{'dvc.lock':<{_WIDTH}}{chain.dvc_lock}  [dim]before this run[/dim]")
    _add_params(tree, chain.params)
    return tree


def _promotion(promotion: Mapping[str, str]) -> str:
    against = promotion.get("against", "nobody")
    rival = f" (against version {against})" if against != "nobody" else ""
    return f"{'promotion':<{_WIDTH}}{promotion['decision']}{rival}: {escape(promotion.get('reason', ''))}"


def _add_runs(tree: Tree, chain: Chain) -> None:
    branch = tree.add(_run(chain.train))
    for run in reversed(chain.upstream):
        branch.add(_run(run))
    for run in chain.evaluations[:1]:
        figures = [
            f"{name} {value:.3f}" for name, value in run.metrics.items() if name.startswith("fused.recall")
        ]
        tree.add(f"{_run(run)}  {', '.join(figures[:3]).replace('fused.', '')}")


def _run(run: RunLink) -> str:
    took = f", {timedelta(seconds=round(run.seconds))}" if run.seconds is not None else ""
    status = "" if run.status == "FINISHED" else f"  [yellow]{escape(run.status.lower())}[/yellow]"
    return f"{run.stage:<{_WIDTH}}{run.run_id}  [dim]{run.started}{took}[/dim]{status}"


def _add_code(tree: Tree, chain: Chain) -> None:
    branch = tree.add(
        f"{'code':<{_WIDTH}}{chain.git_sha}  {_DIRTY.get(chain.git_dirty, 'unknown whether clean')}"
    )
    for file in chain.git_changes[:_MOST_CHANGES]:
        branch.add(f"[yellow]{escape(file)}[/yellow]")
    if (more := len(chain.git_changes) - _MOST_CHANGES) > 0:
        branch.add(f"[yellow]and {more} more[/yellow]")


def _add_params(tree: Tree, params: Mapping[str, str]) -> None:
    """By section, without those that have their defaults."""
    defaults = flatten(Params().model_dump(mode="json", by_alias=True))
    differing: dict[str, list[str]] = defaultdict(list)
    for key, text in params.items():
        section, _, rest = key.partition(".")
        if defaults.get(key) != text:
            differing[section].append(f"{rest} [cyan]{escape(text)}[/cyan]")
    count = sum(map(len, differing.values()))
    branch = tree.add(f"{'params':<{_WIDTH}}[dim]{count} of {len(params)} differ from the defaults[/dim]")
    for section, values in differing.items():
        branch.add(f"{section}: {', '.join(values)}")
