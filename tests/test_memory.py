"""Freed memory is used again: a large tensor a second time costs no page faults."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import resource, sys, torch
from dwc.memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
faults = []
for _ in range(6):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(20_000_000)
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(max(faults[2:]))
"""


def faults(mode: str) -> int:
    done = subprocess.run([sys.executable, "-c", SCRIPT, mode], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_large_tensors_reuse_memory() -> None:
    assert faults("keep") < 100 < faults("default")
