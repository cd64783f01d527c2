"""What this machine has to spare."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path


def available_memory() -> int | None:
    """Bytes that processes can still take: of the machine, or of the group that this one is confined to."""
    found = []
    with suppress(OSError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        found.append(1024 * int(next(line.split()[1] for line in lines if line.startswith("MemAvailable"))))
    group = Path("/sys/fs/cgroup")
    with suppress(OSError, ValueError):
        limit, used = ((group / name).read_text() for name in ("memory.max", "memory.current"))
        found.append(int(limit) - int(used))
    return min(found, default=None)


def free_disk(path: Path) -> tuple[int, int]:
    """Which disk a folder, that need not exist yet, is or will be on, and the bytes free there."""
    there = next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())
    return there.stat().st_dev, shutil.disk_usage(there).free
