"""Clocks and counters: what is compared takes turns in one process, and a ratio is what counts."""

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
    """Seconds between ``start`` and ``stop``, summed: on the wall and of the processor.

    Args:
        device: what it has been given to do is waited for, at both ends.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.wall = self.cpu = 0.0

    def start(self) -> None:
        """Begin."""
        self._wait()
        self.wall, self.cpu = self.wall - time.perf_counter(), self.cpu - time.process_time()

    def stop(self) -> None:
        """End."""
        self._wait()
        self.wall, self.cpu = self.wall + time.perf_counter(), self.cpu + time.process_time()

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


class Counter(Watch):
    """Counts operations and bytes between ``start`` and ``stop`` in the place of seconds."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        super().__init__(device)
        self.flop = self.bytes = 0
        self._counting = ExitStack()

    def start(self) -> None:
        """Begin."""
        self._products = self._counting.enter_context(FlopCounterMode(display=False))
        self._traffic = self._counting.enter_context(Traffic())

    def stop(self) -> None:
        """End."""
        self._counting.close()
        self.flop += self._products.get_total_flops()
        self.bytes += self._traffic.bytes


Subject = Callable[[Watch], None]
"""What is measured: does its work once, between ``start`` and ``stop`` of the watch."""


@dataclass(frozen=True)
class Measured:
    """What is known of a subject.

    Args:
        wall: seconds, one a round.
        cpu: processor seconds, likewise.
        flop: floating-point operations of matrix products and convolutions, counted once.
        bytes: inputs and outputs of every operation that torch ran, counted once.
        peak: most memory held at one time beyond what was held before, bytes; None where it cannot be known.
    """

    wall: Sequence[float]
    cpu: Sequence[float]
    flop: int
    bytes: int
    peak: int | None

    @property
    def seconds(self) -> float:
        """Median on the wall."""
        return statistics.median(self.wall)


def take_turns(subjects: Mapping[str, Subject], rounds: int, device: torch.device | str = "cpu") -> dict[str, Measured]:
    """Run every subject once to warm up and count, then in turns; every second round in the opposite order.

    Args:
        subjects: by name.
        rounds: how often each is timed.
        device: where they work.
    """
    counted = {}
    for name, subject in subjects.items():
        logger.info("%s: warming up and counting", name)
        counted[name] = _count(subject, torch.device(device))
    watches: dict[str, list[Watch]] = {name: [] for name in subjects}
    for number in range(rounds):
        logger.info("round %d of %d", number + 1, rounds)
        for name in list(subjects)[:: -1 if number % 2 else 1]:
            watch = Watch(device)
            subjects[name](watch)
            watches[name].append(watch)
    return {
        name: Measured([w.wall for w in watches[name]], [w.cpu for w in watches[name]], *counted[name])
        for name in subjects
    }


def timed(work: Callable[[], Any]) -> Subject:
    """A subject that is timed from its beginning to its end."""

    def subject(watch: Watch) -> None:
        watch.start()
        work()
        watch.stop()

    return subject


def median_ratio(ours: Sequence[float], other: Sequence[float]) -> float:
    """Median of the rounds' own ratios, which a disturbance of some rounds does not move."""
    return statistics.median(one / two for one, two in zip(ours, other, strict=True))


class Traffic(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of inputs and outputs of operations; views and empty memory move nothing."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation, and count."""
        out = func(*args, **(kwargs or {}))
        if not func.is_view and "empty" not in func.name():
            touched = tree_leaves((args, kwargs, out))
            self.bytes += sum(leaf.numel() * leaf.element_size() for leaf in touched if isinstance(leaf, Tensor))
        return out


def _count(subject: Subject, device: torch.device) -> tuple[int, int, int | None]:
    subject(Watch(device))  # So that what is built once is not counted as memory of every call.
    before = _start_of_peak(device)
    subject(Watch(device))
    peak = None if before is None else _peak(device) - before
    counter = Counter(device)
    subject(counter)
    return counter.flop, counter.bytes, peak


def _start_of_peak(device: torch.device) -> int | None:
    """Forget the highest memory use so far; the current one, bytes."""
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
