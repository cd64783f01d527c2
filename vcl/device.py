"""The machine that a run is on: its device, threads and memory, and the versions that can change a bit."""

from __future__ import annotations

import ctypes
import platform
from contextlib import suppress
from importlib import metadata
from typing import Any

import torch

from vcl.config import TrainConfig
from vcl.errors import ConfigError


def keep_freed_memory() -> None:
    """Let glibc keep memory that one training step frees for the next; page faults cost a step about 5 %."""
    with suppress(OSError, AttributeError):
        mallopt, m_trim_threshold, m_mmap_threshold = ctypes.CDLL(None).mallopt, -1, -3
        mallopt(m_trim_threshold, -1)
        mallopt(m_mmap_threshold, 2**31 - 1)


def prepare_device(train: TrainConfig) -> torch.device:
    """The device of a config; sets PyTorch's threads, and what makes float32 exact and repeatable on CUDA."""
    if train.threads is not None:
        torch.set_num_threads(train.threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    return choose_device(train.device)


def choose_device(name: str) -> torch.device:
    """``auto`` is CUDA where there is one.

    Raises:
        ConfigError: this machine does not have the device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"train.device must be on this machine, got {name} with {torch.cuda.device_count()} CUDA devices"
        )
    return device


def versions(device: torch.device) -> dict[str, Any]:
    """Versions of the libraries that are installed, and the machine, as far as they can change a bit of a frame."""
    libraries = {}
    for name in ("vcl", "torch", "avalanche-lib", "numpy", "av", "safetensors", "wandb"):
        with suppress(metadata.PackageNotFoundError):  # A run that logs nothing needs no wandb.
            libraries[name] = metadata.version(name)
    return {
        "python": platform.python_version(),
        **libraries,
        "system": platform.platform(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
    }


def numerics(device: torch.device) -> dict[str, Any]:
    """What can change the last bit of a decoded frame: torch, the instruction set, threads and the device."""
    return {key: value for key, value in versions(device).items() if key in ("torch", "cpu", "threads", "device")}


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """A context in which layers run at a precision of ``train.precision``."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")
