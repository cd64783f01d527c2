"""What this machine is, and the most it was seen to do."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from vcl import __version__
from vcl.profiling.timing import Watch


@dataclass(frozen=True)
class Peak:
    """The best of a few tries: large products, and a copy far larger than any cache."""

    flop_a_second: float
    bytes_a_second: float


def peak(device: torch.device, dtype: torch.dtype) -> Peak:
    """Measure the peaks, in a few seconds.

    Args:
        device: where.
        dtype: of the products: a matrix product or a 3×3 convolution, whichever is faster here.
    """
    side, channels = (8192, 512) if device.type == "cuda" else (2048, 128)
    one, two = torch.rand(2, side, side, device=device).to(dtype)
    features = torch.rand(1, channels, 128, 128, device=device).to(dtype, memory_format=torch.channels_last)
    kernel = torch.rand(channels, channels, 3, 3, device=device).to(dtype, memory_format=torch.channels_last)
    source = torch.rand(2**26, device=device)
    target = torch.empty_like(source)
    product = 2 * side**3 / _best(device, lambda: torch.mm(one, two))
    convolution = 2 * 9 * channels**2 * 128**2 / _best(device, lambda: F.conv2d(features, kernel, padding=1))
    moved = 2 * source.numel() * source.element_size()
    return Peak(max(product, convolution), moved / _best(device, lambda: target.copy_(source)))


def describe(device: torch.device) -> dict[str, Any]:
    """The machine as a reader of the numbers wants it named."""
    return {
        "cpu": _cpu_name(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "vcl": __version__,
        **{name: os.environ.get(name, "unset") for name in ("OMP_WAIT_POLICY", "THP_MEM_ALLOC_ENABLE")},
        "date": time.strftime("%Y-%m-%d"),
    }


def _best(device: torch.device, work: Any) -> float:
    found = []
    for _ in range(8):
        watch = Watch(device)
        watch.start()
        work()
        watch.stop()
        found.append(watch.wall)
    return min(found)


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
