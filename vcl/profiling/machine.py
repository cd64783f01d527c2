"""The machine, and the highest rates that it reaches."""

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
from vcl.device import tensor_float32
from vcl.profiling.timing import Watch


@dataclass(frozen=True)
class Peak:
    """Highest rates of a machine, the best of a few trials.

    Args:
        flop_per_second: of large matrix products or convolutions.
        bytes_per_second: read and written by a copy far larger than any cache.
    """

    flop_per_second: float
    bytes_per_second: float


def peak(device: torch.device, precision: str) -> Peak:
    """Measure the highest rates, in a few seconds.

    Args:
        device: to be measured.
        precision: of the matrix product and the 3×3 convolution, the faster of which counts; as ``train.precision``.
    """
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    side, channels = (8192, 512) if device.type == "cuda" else (2048, 128)
    left, right = torch.rand(2, side, side, device=device).to(dtype)
    features = torch.rand(1, channels, 128, 128, device=device).to(dtype, memory_format=torch.channels_last)
    kernel = torch.rand(channels, channels, 3, 3, device=device).to(dtype, memory_format=torch.channels_last)
    source = torch.rand(2**26, device=device)
    target = torch.empty_like(source)
    with tensor_float32(precision == "tfloat32"):
        product = 2 * side**3 / _best(device, lambda: torch.mm(left, right))
        convolution = 2 * 9 * channels**2 * 128**2 / _best(device, lambda: F.conv2d(features, kernel, padding=1))
    moved = 2 * source.numel() * source.element_size()
    return Peak(max(product, convolution), moved / _best(device, lambda: target.copy_(source)))


def describe(device: torch.device) -> dict[str, Any]:
    """Hardware, libraries and settings that timings depend on, and the date."""
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
    seconds = []
    for _ in range(8):
        watch = Watch(device)
        watch.start()
        work()
        watch.stop()
        seconds.append(watch.wall)
    return min(seconds)


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
