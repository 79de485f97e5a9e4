"""Refreshing the model: newer data are fetched, the pipeline runs on them, and the gate compares."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import State, flow
from prefect.states import Completed, Failed

from dwc.git import git
from dwc.registry.lineage import data_revision as revision_here
from flows.command import DVC, complaint, require_read, run_command
from flows.data import is_imported, named_md5, pull_data, recorded_data, update_data
from flows.pipeline import Hours, pipeline

NOTHING_NEW = "Nothing new"
_OUT_OF_DATE = 1


@flow(name="refresh")
def refresh(data_revision: str = "", promote: bool = True, timeout_hours: Hours = 0) -> State[Any] | None:
    """Bring newer data in, run the pipeline on them, and let the gate decide about the new model.

    Without anything new it ends at once, and nothing is run. A model that the gate refuses is no failure.

    Args:
        data_revision: Where newer data are announced: a branch whose data.dvc names them, such as
            origin/main, which is fetched first. Empty: data.dvc as it lies in the workspace counts, and if it
            was imported, it is updated from its source.
        promote: Make the new model champion if it passes the gate. Off: it stays challenger.
        timeout_hours: End the run where the stages have not finished by themselves after this time.
            0: never.
    """
    root = Path.cwd()
    try:
        newer = _newer(root, data_revision)
        if not newer and _up_to_date():
            return Completed(name=NOTHING_NEW, message=f"The model is of data {revision_here(root)} already.")
    except ValueError as error:
        return Failed(message=str(error))
    state = pipeline(data_revision=newer, timeout_hours=timeout_hours, return_state=True)
    if not state.is_completed():
        return Failed(name=state.name, message=state.message)
    return _promote() if promote else None


def _newer(root: Path, announced: str) -> str:
    """The revision to switch to; empty where what is, or has just been brought, in the workspace counts.

    Raises ValueError where what is asked cannot be reached.
    """
    if not announced:
        (update_data if is_imported(root) else pull_data)(root)
        return ""
    remote = announced.partition("/")[0]
    if remote in git(root, "remote").split():
        require_read("fetch branches", ["git", "fetch", "--quiet", remote])
    return "" if named_md5(recorded_data(root, announced)) == revision_here(root) else announced


def _up_to_date() -> bool:
    """Whether DVC finds nothing to do. Raises ValueError where it cannot say."""
    status, lines = run_command([*DVC, "status", "--quiet"])
    if status not in (0, _OUT_OF_DATE):
        raise ValueError(complaint(lines) or f"`dvc status` ended with {status}.")
    return status == 0


def _promote() -> State[Any]:
    """Completed as Promoted, Unchanged or Refused; Failed where the models could not be compared."""
    from flows.promote import promote as gate  # imports torch, which the stages' own processes do

    state = gate(return_state=True)
    if state.is_completed():
        return Completed(name="Promoted" if state.name == "Completed" else state.name, message=state.message)
    if state.name == "Refused":
        return Completed(name=state.name, message=state.message)
    return Failed(message=f"promote: {state.message}")
