"""Long work says how far it is, also where its output goes to a file."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from flows import progress
from flows.progress import StepProgress


def test_a_log_gets_lines_with_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    written = io.StringIO()
    report = StepProgress("train-steps", "training steps", Console(file=written, width=120))
    report(1, 1000, {"loss": 2.5})
    report(500, 1000)
    report(1000, 1000)
    lines = written.getvalue().splitlines()
    assert lines[0].startswith("    training steps 1/1,000, ")
    assert lines[0].endswith(" left  loss 2.500")
    assert lines[1].startswith("    training steps 500/1,000, 0:00:00 left")
    assert len(lines) == 2


def test_a_log_is_not_flooded() -> None:
    written = io.StringIO()
    report = StepProgress("train-steps", "training steps", Console(file=written))
    for done in range(1, 101):
        report(done, 100)
    assert written.getvalue() == ""
