"""Named parts of a training step, for whoever looks where its time goes."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.profiler import record_function

from dwc.model.dwc import DWC

OTHER = "other"
_MODULES = {
    "backbone": ("cnn.backbone",),
    "editors": ("cnn.visual", "cnn.image_editor", "cnn.text_editor", "clip.image_gate", "clip.text_gate"),
    "text": ("cnn.word_embedding", "cnn.word_states"),
}

_clock: PartClock | None = None


@contextmanager
def part(name: str) -> Iterator[None]:
    """Mark what is done inside as a part of the step: in traces always, and for a clock that runs."""
    with record_function(name):
        if _clock is None:
            yield
        else:
            _clock.begin(name)
            yield
            _clock.end()


class PartClock:
    """Seconds by part. It waits for the device where a part begins and ends, so that its work is its own."""

    def __init__(self, device: torch.device) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._device = device
        self._open: list[tuple[str, float]] = []
        self._inside = [0.0]  # seconds that parts inside the open ones took, which are not counted twice

    def begin(self, name: str) -> None:
        """A part begins, inside those that are open."""
        self._wait()
        self._inside.append(0.0)
        self._open.append((name, time.perf_counter()))

    def end(self) -> None:
        """The part that began last ends."""
        self._wait()
        name, started = self._open.pop()
        taken = time.perf_counter() - started
        self.seconds[name] += taken - self._inside.pop()
        self._inside[-1] += taken

    @contextmanager
    def running(self) -> Iterator[None]:
        """One step: `part` tells this clock; what is in no part is `other`."""
        global _clock
        _clock = self
        self.begin(OTHER)
        try:
            yield
            self.end()
        finally:
            _clock = None

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


@contextmanager
def marked_modules(model: DWC) -> Iterator[None]:
    """Make parts of the network's own: its backbone, editors and text encoder, in their forward."""
    handles = []
    for name, paths in _MODULES.items():
        for path in paths:
            if (module := _find(model, path)) is not None:
                marks: list[Any] = []

                def enter(*_: Any, name: str = name, marks: list[Any] = marks) -> None:
                    marks.append(part(name))
                    marks[-1].__enter__()

                def leave(*_: Any, marks: list[Any] = marks) -> None:
                    marks.pop().__exit__(None, None, None)

                handles += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _find(model: DWC, path: str) -> torch.nn.Module | None:
    """A module below the model; None where a study has switched it off."""
    return dict(model.named_modules()).get(path)
