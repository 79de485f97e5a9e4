"""Where to compute, and in which number format."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Literal

import torch

Precision = Literal["auto", "fp32", "bf16"]


def pick_device(name: str) -> torch.device:
    """Turn `auto` into the GPU where there is one. Raises ValueError for a device this machine lacks."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"train.device = {name}: this machine has no CUDA GPU. Use auto or cpu.")
    return device


def uses_bf16(precision: Precision, device: torch.device) -> bool:
    """Whether to compute in bfloat16; `auto` says yes where the hardware multiplies it natively."""
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def autocast(device: torch.device, bf16: bool) -> AbstractContextManager[None]:
    """Mixed precision context: convolutions and matrix products in bfloat16 where `bf16`."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16)
