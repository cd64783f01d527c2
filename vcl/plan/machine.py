"""What this machine has to spare."""

from __future__ import annotations

import resource
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from vcl.plan.table import shown_bytes


def available_memory() -> int | None:
    """Bytes that processes can still take: of the machine, or of the group that this one is confined to."""
    limits = []
    with suppress(OSError, StopIteration):
        limits.append(_line(Path("/proc/meminfo"), "MemAvailable"))
    group = Path("/sys/fs/cgroup")
    with suppress(OSError, ValueError):
        limit, used = ((group / name).read_text() for name in ("memory.max", "memory.current"))
        limits.append(int(limit) - int(used))
    return min(limits, default=None)


def peak_memory() -> int:
    """The most bytes of memory that this process has had.

    On Linux ``getrusage`` also counts what the parent process had until it started this one; it serves other systems.
    """
    with suppress(OSError, StopIteration):
        return _line(Path("/proc/self/status"), "VmHWM")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def free_disk(path: Path) -> tuple[int, int]:
    """The disk that a folder is on, or would be if it existed, and its free bytes."""
    nearest = next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())
    return nearest.stat().st_dev, shutil.disk_usage(nearest).free


def memory_warnings(where: str, needed: int | None, available: int | None) -> list[str]:
    """A warning where there is less memory than needed; none where either is not known."""
    if needed is None or available is None or needed <= available:
        return []
    needs = f"the run needs {shown_bytes(needed)} and {where} has {shown_bytes(available)}"
    return [f"memory: {needs}; try a lower train.batch or stream.size"]


def disk_warnings(needs: Mapping[Path, int]) -> list[str]:
    """A warning for every disk with too little room for what would be written to it."""
    disks: dict[int, tuple[int, list[Path], int]] = {}
    for path, size in needs.items():
        disk, free = free_disk(path)
        total, paths, _ = disks.get(disk, (0, [], free))
        disks[disk] = total + size, [*paths, path], free
    return [
        f"disk: {' and '.join(map(str, paths))} may need {shown_bytes(total)} and {shown_bytes(free)} are free"
        for total, paths, free in disks.values()
        if total > free
    ]


def _line(file: Path, name: str) -> int:
    """Bytes in a line of a file of Linux's: ``name: number kB``."""
    return 1024 * int(next(line.split()[1] for line in file.read_text().splitlines() if line.startswith(name)))
