"""One process of a training on several devices: torchrun runs `-m flows.rank PARAMS [MEETING]` for each.

Rank 0 tells the stage, by records on its standard output, what otherwise the stage would do itself; each rank
tells what the user must mend (flows/ranks.py).
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flows import environment


def tell(**record: Any) -> None:
    """Say something to the stage, in one write: several processes share the pipe."""
    from flows.ranks import RECORD

    sys.stdout.write(f"{RECORD}{json.dumps(record)}\n")
    sys.stdout.flush()


class _Warnings(logging.Handler):
    """Tells the stage what is logged as a warning or worse."""

    def emit(self, record: logging.LogRecord) -> None:
        tell(warning=record.getMessage())


def learn(params: Path, meeting: Path | None) -> None:
    """Train as one of the ranks, to the last epoch's checkpoint."""
    from dwc.config import load_params
    from dwc.model.ranks import rank
    from dwc.training.together import training_together
    from flows import train

    settings = load_params(params).train
    with training_together(settings.device, meeting) as device:
        if rank() == 0:
            logging.getLogger("dwc").addHandler(_Warnings(logging.WARNING))
        lesson = train.load_lesson(settings)
        model = train.new_model(settings, lesson.store, device)
        train.fit(settings, model, lesson, train.shared_checkpoints(settings), log=_log, progress=_progress)


def _log(figures: Mapping[str, float], step: int) -> None:
    tell(figures=dict(figures), step=step)


def _progress(done: int, total: int, latest: Mapping[str, float]) -> None:
    tell(done=done, total=total, latest=dict(latest))


def main() -> None:
    """Train; what the user can mend is told in one line, anything else is a stack trace."""
    environment.prepare(Path.cwd())
    from flows.stage import users_to_mend

    params, *meeting = (Path(argument) for argument in sys.argv[1:])
    try:
        learn(params, meeting[0] if meeting else None)
    except Exception as error:
        tell(problem=str(users_to_mend(error)))
        sys.exit(1)


if __name__ == "__main__":
    main()
