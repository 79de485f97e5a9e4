"""The train stage on several devices: torchrun starts one process for each, `flows.rank`, and ends them all.

The stage shows and tracks what rank 0 tells on its standard output: a JSON text sequence (RFC 7464), one
record a line. A stage that is killed closes that pipe, of which rank 0 dies, of which torchrun ends the rest.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dwc.config import Params, Train
from dwc.training.together import devices_here
from flows.process import run_lines, without_flow_run

MEETING = "DWC_RENDEZVOUS"
RECORD = "\x1e"
_KEPT_LINES = 60

Log = Callable[[Mapping[str, float], int], None]
Progress = Callable[[int, int, Mapping[str, float]], None]


def devices_in_all(settings: Train) -> int:
    """How many processes train together. Raises ValueError where they cannot."""
    count = settings.nodes * devices_here(settings.devices, settings.device)
    if settings.batch_size % count:
        raise ValueError(
            f"train.batch_size = {settings.batch_size} is the batch of all {count} devices together. Make it "
            f"a multiple of {count}."
        )
    if settings.nodes > 1 and not re.fullmatch(r".+:\d+", os.environ.get(MEETING, "")):
        raise ValueError(
            f"train.nodes = {settings.nodes}: set {MEETING} on every machine to host:port of the one that "
            "runs the stage (docs/operating.md)."
        )
    return count


def run_ranks(
    params: Params, *, node: int, log: Log, progress: Progress, warn: Callable[[str], None]
) -> None:
    """Train on this machine's devices, which is number `node` of `train.nodes`; returns when all is done.

    Raises ValueError with what a process could not do, RuntimeError with its last lines where it broke.
    """
    settings = params.train
    devices = devices_here(settings.devices, settings.device)
    problems: list[str] = []
    others: deque[str] = deque(maxlen=_KEPT_LINES)

    def line(text: str) -> None:
        before, mark, record = text.partition(RECORD)
        if before.strip():
            others.append(before)
        if mark:
            _hear(json.loads(record), log, progress, warn, problems)

    with tempfile.TemporaryDirectory(prefix="dwc-ranks-") as folder:
        file = Path(folder) / "params.json"
        file.write_text(params.model_dump_json(by_alias=True), encoding="utf-8")
        command = [
            *(
                sys.executable,
                "-m",
                "torch.distributed.run",
                f"--nproc-per-node={devices}",
                "--max-restarts=0",
            ),
            *(_one_machine(folder) if settings.nodes == 1 else _several_machines(settings.nodes, node)),
            *("-m", "flows.rank", str(file), *([str(Path(folder) / "ranks")] if settings.nodes == 1 else [])),
        ]
        status = run_lines(command, folder=Path.cwd(), environment=_environment(settings, devices), line=line)
    if status:
        raise _reason(problems, list(others))


def _hear(
    record: Mapping[str, Any],
    log: Log,
    progress: Progress,
    warn: Callable[[str], None],
    problems: list[str],
) -> None:
    match record:
        case {"figures": figures, "step": step}:
            log(figures, step)
        case {"done": done, "total": total, "latest": latest}:
            progress(done, total, latest)
        case {"warning": text}:
            warn(text)
        case {"problem": text}:
            problems.append(text)


def _one_machine(folder: str) -> list[str]:
    """Processes of one machine meet through a file: nothing listens beyond the loopback interface."""
    meeting = f"--rdzv-endpoint={folder}/torchrun"
    return ["--nnodes=1", "--rdzv-backend=c10d", "--rdzv-conf=store_type=file", meeting, "--rdzv-id=train"]


def _several_machines(nodes: int, node: int) -> list[str]:
    """Processes of several machines meet at machine 0, whose first process is rank 0."""
    host, _, port = os.environ[MEETING].rpartition(":")
    return [f"--nnodes={nodes}", f"--node-rank={node}", f"--master-addr={host}", f"--master-port={port}"]


def _environment(settings: Train, devices: int) -> dict[str, str]:
    """The processes' environment: the cores divided among them, and one machine's talk kept inside it."""
    threads = max(1, len(os.sched_getaffinity(0)) // devices)
    own = {"OMP_NUM_THREADS": str(threads), "PYTHONUNBUFFERED": "1"}
    if settings.nodes == 1:
        own |= {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"}
    return {**own, **without_flow_run()}


def _reason(problems: list[str], others: list[str]) -> Exception:
    """Why the training ended: what a process said, or what torchrun saw; it names the first cause last."""
    if problems:
        return ValueError(problems[0])
    killed = re.findall(r"Signal \d+ \(SIG\w+\)", "\n".join(others))
    if killed:
        return ValueError(
            f"train: a process of the training was ended by {killed[-1]}, by somebody or for lack of memory. "
            "Run it again; it goes on after the last whole epoch."
        )
    return RuntimeError("train: a process of the training broke:\n" + "\n".join(others))
