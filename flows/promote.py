"""Promotion as a flow: challenger against champion on the current data, and the aliases moved by the gate."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from prefect import State, flow
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Completed, Failed
from rich.console import Console

from dwc.config import load_params
from dwc.promotion.page import headline, promotion_markdown
from dwc.promotion.promote import NAME, NOTHING_TO_DO, promotion_run
from dwc.promotion.promote import promote as hold_contest
from flows.stage import BUILD, PARAMS, Stage


@flow(name=NAME)
def promote(model: str | None = None, without_champion: bool = False) -> State[Any] | None:
    """Make the challenger champion if it passes the gate of the `promote` section of params.yaml.

    Args:
        model: The challenger, such as models:/dwc-wardrobe/3; by default the alias `challenger`.
        without_champion: Hold it against the floors alone, although there is or was a champion.
    """
    try:
        return _promote(model, without_champion)
    except ValueError as error:
        get_run_logger().debug("Where it was found:", exc_info=True)
        return Failed(message=str(error))


def _promote(model: str | None, without_champion: bool) -> State[Any] | None:
    params, root = load_params(PARAMS), Path.cwd()
    with promotion_run(params, root, flow_run_id=str(flow_run.id)) as run, ExitStack() as stack:
        teller = Stage(NAME, params, run, Console(), {}, {}, stack)
        outcome = hold_contest(
            params, root, BUILD, model=model, without_champion=without_champion, run=run, teller=teller
        )
        if outcome is None:
            return Completed(name="Unchanged", message=NOTHING_TO_DO)
        teller.summary(promotion_markdown(outcome))
    said = f"{headline(outcome)}: {outcome.decision.reason}."
    if not outcome.decision.passed:
        return Failed(name="Refused", message=said)
    Console().print(said, highlight=False, soft_wrap=True)
    return None
