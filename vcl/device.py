"""The machine that a run is on: its device, threads and memory, and the versions that can change a bit."""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib import metadata
from typing import Any, Literal, cast

import torch

from vcl import kernels
from vcl.config import RunConfig, TrainConfig
from vcl.errors import ConfigError
from vcl.ranks import ALONE, Ranks


def keep_freed_memory() -> None:
    """Let glibc keep memory that one training step frees for the next; page faults cost a step about 5 %."""
    with suppress(OSError, AttributeError):
        mallopt, m_trim_threshold, m_mmap_threshold = ctypes.CDLL(None).mallopt, -1, -3
        mallopt(m_trim_threshold, -1)
        mallopt(m_mmap_threshold, 2**31 - 1)


def prepared(config: RunConfig) -> tuple[RunConfig, torch.device]:
    """A config with the precision that this machine gives it, and its device, made ready by ``prepare_device``."""
    device = prepare_device(config.train)
    train = replace(config.train, precision=precision_of(config.train.precision, device))
    return replace(config, train=train), device


def prepare_device(train: TrainConfig, ranks: Ranks = ALONE) -> torch.device:
    """Make the device of a config ready: PyTorch's threads, and on CUDA what makes results repeatable.

    On CUDA, convolutions, matrix products and indexing use algorithms that give the same bits each time, and float32
    is computed in float32: ``tensor_float32`` allows less. An operation without a deterministic form still runs, with
    PyTorch's warning that names it: a run with such a network cannot be resumed to the bit.
    """
    if train.threads is not None:
        torch.set_num_threads(train.threads)
    device = choose_device(train.device, ranks)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # Read by cuBLAS when its first product runs.
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        torch.cuda.set_device(device)  # Where kernels of Triton and graphs go.
    return device


def choose_device(name: str, ranks: Ranks = ALONE) -> torch.device:
    """``auto`` is CUDA where there is a device; a name without a number is the first device, or this rank's own.

    Raises:
        ConfigError: this machine does not have the device, or several ranks would share it.
    """
    if ranks.world > 1 and name.startswith("cuda:"):
        raise ConfigError(f"train.device must be cuda, auto or cpu where ranks have a device each, got {name}")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(f"cuda:{ranks.local}" if name == "cuda" else name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"train.device must be on this machine, got {device} with {torch.cuda.device_count()} CUDA devices"
        )
    return device


def versions(device: torch.device) -> dict[str, Any]:
    """Versions of the libraries that are installed, and the machine, as far as they can change a bit of a frame."""
    libraries = {}
    for name in ("vcl", "torch", "avalanche-lib", "numpy", "av", "safetensors", "wandb"):
        with suppress(metadata.PackageNotFoundError):  # A run that logs nothing needs no wandb.
            libraries[name] = metadata.version(name)
    if device.type == "cuda" and kernels.triton_works():  # Else PyTorch does the kernels' work, with other last bits.
        libraries["triton"] = metadata.version("triton")
    return {
        "python": platform.python_version(),
        **libraries,
        "system": platform.platform(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
    }


def numerics(device: torch.device) -> dict[str, Any]:
    """What can change the last bit of a decoded frame: torch, Triton, the instruction set, threads and the device."""
    names = ("torch", "triton", "cpu", "threads", "device")
    return {key: value for key, value in versions(device).items() if key in names}


def precision_of(name: str, device: torch.device) -> Literal["float32", "tfloat32", "bfloat16"]:
    """A precision of ``train.precision``; ``auto`` is bfloat16 on a CUDA device that computes in it, else float32."""
    if name == "auto":
        return "bfloat16" if device.type == "cuda" and torch.cuda.is_bf16_supported(False) else "float32"
    return cast('Literal["float32", "tfloat32", "bfloat16"]', name)


@contextmanager
def at_precision(device: torch.device, precision: str) -> Iterator[None]:
    """Compute layers at a precision of ``train.precision``, forward alone: a backward pass needs ``tensor_float32``."""
    with tensor_float32(precision == "tfloat32"), autocast(device, precision):
        yield


@contextmanager
def tensor_float32(allowed: bool) -> Iterator[None]:
    """Let CUDA compute convolutions and matrix products of float32 from 10 bits of each mantissa (TF32), or not.

    On an H100 convolutions were ten times as fast as in float32, and frames 1e-4 off: of their uint8 values 1.2 %
    differed by 1.
    """
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    before = products.allow_tf32, convolutions.allow_tf32
    products.allow_tf32 = convolutions.allow_tf32 = allowed
    try:
        yield
    finally:
        products.allow_tf32, convolutions.allow_tf32 = before


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """A context in which layers run in bfloat16, where that is the precision."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")
