"""Another machine's part of a training: its processes alone, the stage itself runs on machine 0."""

from __future__ import annotations

import logging
from pathlib import Path

from dwc.config import load_params
from flows.process import ended_by_signal
from flows.ranks import devices_in_all, run_ranks


def join(node: int) -> None:
    """Train on this machine's devices until all is done. Raises ValueError where they cannot take part."""
    params = load_params(Path("params.yaml"))
    devices_in_all(params.train)
    if node >= params.train.nodes:
        raise ValueError(
            f"join {node}: train.nodes = {params.train.nodes}, and the stage's own machine is 0."
        )
    warn = logging.getLogger(__name__).warning
    with ended_by_signal():
        run_ranks(params, node=node, log=lambda _, __: None, progress=lambda _, __, ___: None, warn=warn)
