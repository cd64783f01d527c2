"""Leases on folders: one process at a time, on any number of machines that share a file system.

``flock`` is not seen by all machines on every file system. A lease is a small file, ``.leases/NAME.0001`` beside the
folder NAME, which its holder rewrites every few seconds. Why no two processes hold one:

- The highest number counts, and numbers never go down: the latest file stays, marked as released. A number is created
  with ``O_EXCL``, which is atomic on network file systems too, so one process alone makes the step to the next.
- It may be made when the latest is released, when its holder is a dead process of this machine, or when it has not
  changed for ``patience`` seconds in which this process kept looking. That is measured by its own monotonic clock, of
  which a step counts no more than ``renewal``: clocks of machines are not compared, and being frozen is not looking.
- Whoever slept between judging and creating finds a higher number when it lists the folder after that, and gives up;
  its late file counts for nobody. Else it removes all lower numbers, and holds the lease.
- A holder that slept finds its file gone, or a higher number, when it renews, which is the first thing that its thread
  does when it wakes up; it kills its own process. So does one that could not renew for ``patience`` seconds: others
  start to count at the last renewal that they saw, so they come later.

What remains is the moment between waking up and that check, which no lease can close; on one machine, and where
``flock`` reaches further, the lock of a run folder does.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import signal
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from vcl.errors import RunFolderInUseError, VclError

log = logging.getLogger(__name__)

FOLDER = ".leases"
"""Folder of the leases on the folders beside it."""

_LENGTH = 512
"""Bytes of a lease, so that rewriting it never makes it shorter."""

_watched: dict[Path, tuple[bytes, float, float]] = {}
"""What this process has seen of the leases of others: content, seconds that it watched it, and when it last looked."""


@contextmanager
def lease(folder: Path, wait: bool = False, renewal: float = 5.0, patience: float = 60.0) -> Iterator[None]:
    """Hold the lease on a folder, which need not exist; a process that loses it meanwhile is killed at once.

    Args:
        folder: what is leased.
        wait: try again until it is free.
        renewal: seconds between two renewals.
        patience: seconds without a renewal after which another process takes it; all processes must agree on both.

    Raises:
        RunFolderInUseError: another process holds it, or is not yet known to be gone.
        VclError: no lease can be written.
    """
    folder = folder.absolute()
    try:
        (folder.parent / FOLDER).mkdir(parents=True, exist_ok=True)
        while (held := _take(folder, renewal, patience)) is None:
            if not wait:
                raise RunFolderInUseError(f"{folder} is in use by {_name(_latest(folder)[1])}")
            time.sleep(renewal / 2)
    except OSError as error:
        raise VclError(f"{error.filename or folder}: {error.strerror or error}") from error
    held.keep()
    try:
        yield
    finally:
        held.release()


def is_free(folder: Path, renewal: float = 5.0, patience: float = 60.0) -> bool:
    """Whether the lease on a folder could be taken now; to be asked now and then by who waits for it.

    Args:
        folder: as in ``lease``.
        renewal: as in ``lease``.
        patience: as in ``lease``.
    """
    folder = folder.absolute()
    if not (folder.parent / FOLDER).is_dir():
        return True
    number, content = _latest(folder)
    return not number or _is_free(folder, number, content, renewal, patience)


class _Held:
    """A lease of this process."""

    def __init__(self, folder: Path, number: int, renewal: float, patience: float) -> None:
        self.path = _path(folder, number)
        self._folder, self._number, self._renewal, self._patience = folder, number, renewal, patience
        self._renewals = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew, name=f"lease on {folder.name}", daemon=True)
        self._holder = {**_machine(), "pid": os.getpid(), "start": _start_of(os.getpid()), "token": uuid.uuid4().hex}

    def create(self) -> None:
        """Make the file; raises FileExistsError where another process was faster."""
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        with os.fdopen(descriptor, "wb") as file:
            file.write(self._content())

    def keep(self) -> None:
        """Renew it from now on."""
        self._thread.start()

    def release(self) -> None:
        """Let others take it at once."""
        self._over.set()
        self._thread.join()
        with suppress(OSError):
            self._rewrite(released=True)

    def _renew(self) -> None:
        renewed = time.monotonic()
        while not self._over.wait(self._renewal):
            try:
                self._rewrite()
                if max(_numbers(self._folder), default=0) > self._number:
                    self._end("another process has taken it over")
                renewed = time.monotonic()
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.ESTALE):
                    self._end("another process has taken it over")
                if time.monotonic() - renewed > self._patience:
                    self._end(f"it could not be renewed ({error.strerror})")

    def _rewrite(self, released: bool = False) -> None:
        """Write it anew, in place: a file that is gone does not come back. It is opened each time, and so seen."""
        self._renewals += 1
        with self.path.open("r+b") as file:
            file.write(self._content(released))

    def _content(self, released: bool = False) -> bytes:
        state = {**self._holder, "renewals": self._renewals, "released": released}
        return json.dumps(state).encode().ljust(_LENGTH)

    def _end(self, reason: str) -> None:
        """Kill this process: the folder may be somebody else's, and no further byte may be written to it."""
        log.error("the lease on %s is lost: %s; this process ends at once", self._folder, reason)
        os.kill(os.getpid(), signal.SIGKILL)


def _take(folder: Path, renewal: float, patience: float) -> _Held | None:
    """The lease if it can be had now."""
    number, content = _latest(folder)
    if number and not _is_free(folder, number, content, renewal, patience):
        return None
    held = _Held(folder, number + 1, renewal, patience)
    with suppress(FileExistsError):
        held.create()
        numbers = _numbers(folder)
        if max(numbers, default=0) <= number + 1:
            for lower in (other for other in numbers if other <= number):
                _path(folder, lower).unlink(missing_ok=True)
            _watched.pop(folder, None)
            return held
        held.path.unlink(missing_ok=True)
    return None


def _is_free(folder: Path, number: int, content: bytes, renewal: float, patience: float) -> bool:
    """Whether the latest lease may be followed by another; remembers what it saw."""
    holder = _parsed(content)
    if holder.get("released") is True or _is_dead(holder):
        return True
    now, seen = time.monotonic(), b"%d " % number + content
    before, watched, looked = _watched.get(folder, (b"", 0.0, now))
    watched = watched + min(now - looked, renewal) if seen == before else 0.0
    _watched[folder] = seen, watched, now
    return watched >= patience


def _path(folder: Path, number: int) -> Path:
    return folder.parent / FOLDER / f"{folder.name}.{number:04d}"


def _numbers(folder: Path) -> list[int]:
    """Numbers of the leases on a folder that are there, in their order."""
    pattern = re.compile(rf"{re.escape(folder.name)}\.(\d{{4,9}})")
    names = (pattern.fullmatch(name) for name in os.listdir(folder.parent / FOLDER))  # noqa: PTH208 - names suffice
    return sorted(int(name[1]) for name in names if name)


def _latest(folder: Path) -> tuple[int, bytes]:
    """Number and content of the lease that counts; 0 where there is none."""
    for number in _numbers(folder)[-1:]:
        with suppress(FileNotFoundError):  # Followed by another at this moment: unlike what was seen before.
            return number, _path(folder, number).read_bytes()
        return number, b""
    return 0, b""


def _parsed(content: bytes) -> dict[str, Any]:
    """What a lease says; nothing where it is being written, or was never written to its end."""
    try:
        holder = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return holder if isinstance(holder, dict) else {}


def _name(content: bytes) -> str:
    holder = _parsed(content)
    return f"process {holder.get('pid')} on {holder.get('host')}" if holder else "another process"


@cache
def _machine() -> dict[str, str]:
    """What tells apart machines, their boots, and containers whose processes are numbered by themselves."""
    machine = {"host": socket.gethostname(), "boot": "", "pids": ""}
    with suppress(OSError):
        machine["boot"] = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        machine["pids"] = str(Path("/proc/self/ns/pid").readlink())
    return machine


def _is_dead(holder: dict[str, Any]) -> bool:
    """Whether a holder was a process of this machine and is none any more; False where that cannot be told."""
    pid, machine = holder.get("pid"), _machine()
    if not machine["pids"] or any(holder.get(key) != value for key, value in machine.items()):
        return False
    if not isinstance(pid, int) or not 0 < pid < 2**31:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass  # There is one, of another user.
    start = _start_of(pid)
    return start is not None and start != holder.get("start")


def _start_of(pid: int) -> int | None:
    """When a process started, in ticks since the boot; -1 when it has ended but its parent does not know yet."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return -1 if fields[0] in "ZX" else int(fields[19])
