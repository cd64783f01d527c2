"""Clocks and counters. What is compared takes turns in one process, so that ratios mean more than times."""

from __future__ import annotations

import ctypes
import logging
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

logger = logging.getLogger(__name__)


class Watch:
    """Sums the seconds between ``start`` and ``stop``: ``wall`` by the clock, ``cpu`` of the processor.

    Args:
        device: synchronised at ``start`` and ``stop``, so that its pending work counts.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.wall = self.cpu = 0.0

    def start(self) -> None:
        """Start the clocks."""
        self._wait()
        self.wall, self.cpu = self.wall - time.perf_counter(), self.cpu - time.process_time()

    def stop(self) -> None:
        """Stop the clocks, and add their time to the sums."""
        self._wait()
        self.wall, self.cpu = self.wall + time.perf_counter(), self.cpu + time.process_time()

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


class Counter(Watch):
    """Counts operations and bytes, instead of seconds, between ``start`` and ``stop``."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        super().__init__(device)
        self.flop = self.bytes = 0
        self._counting = ExitStack()

    def start(self) -> None:
        """Start counting."""
        self._products = self._counting.enter_context(FlopCounterMode(display=False))
        self._traffic = self._counting.enter_context(Traffic())

    def stop(self) -> None:
        """Stop counting, and add to the sums."""
        self._counting.close()
        self.flop += self._products.get_total_flops()
        self.bytes += self._traffic.bytes


Subject = Callable[[Watch], None]
"""What is measured: a function that does its work once, and calls ``start`` and ``stop`` of the watch around it."""


@dataclass(frozen=True)
class Measured:
    """Times and counts of a subject.

    Args:
        wall: seconds of each round.
        cpu: processor seconds of each round.
        flop: floating-point operations of matrix products and convolutions, in one round.
        bytes: inputs and outputs of every operation that torch ran, in one round.
        peak: highest memory use less that at the start, bytes; None where the system does not report it.
    """

    wall: Sequence[float]
    cpu: Sequence[float]
    flop: int
    bytes: int
    peak: int | None

    @property
    def seconds(self) -> float:
        """Median of the rounds by the clock."""
        return statistics.median(self.wall)


def take_turns(subjects: Mapping[str, Subject], rounds: int, device: torch.device | str = "cpu") -> dict[str, Measured]:
    """Warm up every subject and count its work, then time all in turns; every second round in the opposite order.

    Args:
        subjects: by name.
        rounds: how often each is timed.
        device: where they work.
    """
    counts = {}
    for name, subject in subjects.items():
        logger.info("%s: warming up and counting", name)
        counts[name] = _count(subject, torch.device(device))
    watches: dict[str, list[Watch]] = {name: [] for name in subjects}
    for number in range(rounds):
        logger.info("round %d of %d", number + 1, rounds)
        for name in list(subjects)[:: -1 if number % 2 else 1]:
            watch = Watch(device)
            subjects[name](watch)
            watches[name].append(watch)
    return {
        name: Measured([w.wall for w in watches[name]], [w.cpu for w in watches[name]], *counts[name])
        for name in subjects
    }


def timed(work: Callable[[], Any]) -> Subject:
    """A subject that is timed from beginning to end."""

    def subject(watch: Watch) -> None:
        watch.start()
        work()
        watch.stop()

    return subject


def median_ratio(ours: Sequence[float], other: Sequence[float]) -> float:
    """Median of the ratios of each round, which a disturbance in some rounds does not change."""
    return statistics.median(our / their for our, their in zip(ours, other, strict=True))


class Traffic(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of inputs and outputs of operations; views and uninitialised memory move nothing."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation, and count its bytes."""
        out = func(*args, **(kwargs or {}))
        if not func.is_view and "empty" not in func.name():
            leaves = tree_leaves((args, kwargs, out))
            self.bytes += sum(leaf.numel() * leaf.element_size() for leaf in leaves if isinstance(leaf, Tensor))
        return out


def _count(subject: Subject, device: torch.device) -> tuple[int, int, int | None]:
    subject(Watch(device))  # What is built once does not belong to the memory of every call.
    before = _start_of_peak(device)
    subject(Watch(device))
    peak = None if before is None else _peak(device) - before
    counter = Counter(device)
    subject(counter)
    return counter.flop, counter.bytes, peak


def _start_of_peak(device: torch.device) -> int | None:
    """Reset the highest memory use to the current one, and return it, bytes; None where that is impossible."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
        return _peak(device)
    return None


def _peak(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
