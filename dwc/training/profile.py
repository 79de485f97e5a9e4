"""A profile of some training steps: a trace for a viewer, and a table for a screen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch

from dwc.files import write_text
from dwc.model.dwc import DWC
from dwc.training.parts import OTHER, PartClock, marked_modules

TRACE, SUMMARY = "trace.json.gz", "summary.txt"
WARM_UP = 3  # steps that are not looked at: the first ones choose algorithms and allocate memory
_BAR = 30  # characters of the longest bar


class StepProfile:
    """Looks at the first steps of a training and writes what it saw into `folder`.

    After the warm-up `steps` are traced as they run, then as many are timed part by part, for which every
    part waits for the device. The training's results are the same with and without it.
    """

    def __init__(self, folder: Path, model: DWC, steps: int, show: Callable[[str], None]) -> None:
        self._folder = folder
        self._device = next(model.parameters()).device
        self._steps = steps
        self._show = show
        self._model = model
        self._clock = PartClock(self._device)
        self._seen = self._timed = 0
        self._open = ExitStack()
        self._trace: torch.profiler.profile | None = None

    @contextmanager
    def step(self) -> Iterator[None]:
        """Around one step, the waiting for its batch included."""
        number, self._seen = self._seen - WARM_UP, self._seen + 1
        if number == 0:
            self._begin_trace()
        elif number == self._steps:
            self._end_trace()
        if self._steps <= number < 2 * self._steps:
            with marked_modules(self._model), self._clock.running():
                yield
            self._timed += 1
            if number == 2 * self._steps - 1:
                self._tell()
        else:
            yield

    def close(self) -> None:
        """End a trace that is open still; say so where the training had too few steps to look at."""
        self._end_trace()
        if self._timed < self._steps:
            self._show(
                f"train.profile: the training ended after {self._seen} steps, before all of its "
                f"{WARM_UP} + 2 × {self._steps} were looked at."
            )

    def _begin_trace(self) -> None:
        activities = [torch.profiler.ProfilerActivity.CPU]
        if self._device.type == "cuda":
            activities.append(torch.profiler.ProfilerActivity.CUDA)
        self._open.enter_context(marked_modules(self._model))
        self._trace = torch.profiler.profile(activities=activities)
        self._trace.start()

    def _end_trace(self) -> None:
        if self._trace is None:
            return
        self._trace.stop()
        self._open.close()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._trace.export_chrome_trace(str(self._folder / TRACE))
        self._trace = None

    def _tell(self) -> None:
        summary = profile_table(self._clock.seconds, self._timed)
        write_text(self._folder / SUMMARY, f"{summary}\n")
        self._show(f"{summary}\n{self._folder / TRACE}: open it on chrome://tracing or ui.perfetto.dev")


def profile_table(seconds: Mapping[str, float], steps: int) -> str:
    """Milliseconds and share of each part of a step, the longest first, `other` last."""
    total = sum(seconds.values())
    order = sorted(seconds, key=lambda name: (name == OTHER, -seconds[name]))
    lines = [f"Where a training step's time goes ({steps} steps, {1e3 * total / steps:,.1f} ms each)"]
    for name in order:
        share = seconds[name] / total
        bar = "█" * round(_BAR * share)
        lines.append(f"  {name:<10}{1e3 * seconds[name] / steps:>10,.1f} ms{share:>7.1%}  {bar}".rstrip())
    return "\n".join(lines)
