"""What the program runs on, for records of measurements."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path

import psutil


def machine() -> str:
    """Processor, cores, GPU where there is one, and the version of torch."""
    import torch

    gpu = [torch.cuda.get_device_name(0)] if torch.cuda.is_available() else []
    cores = f"{psutil.cpu_count(logical=True)} cores"
    return ", ".join([_processor(), cores, *gpu, f"torch {version('torch')}"])


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
