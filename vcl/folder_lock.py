"""Locks on folders, so that any number of processes can run at the same time.

The locks are those of ``flock``: the system releases one when its process ends, however it ends. Some file systems have
none (Lustre mounted without ``-o flock``, some NFS). Work goes on there without a lock, after a warning.
"""

import fcntl
import logging
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO

from vcl.atomic_file import remove_drafts
from vcl.errors import VclError

logger = logging.getLogger(__name__)

LOCK_NAME = ".lock"
"""The file in a folder that carries the exclusive lock; it is never removed."""

_PATIENCE = 0.5
"""Seconds to keep trying: a process that checks whether the folder is in use holds the lock for an instant."""

_HOLDER = re.compile(r"process \d+ on \S+")


@contextmanager
def exclusive_lock(folder: Path, in_use: type[VclError], of: Path | None = None) -> Iterator[bool]:
    """Hold the exclusive lock on a folder.

    Args:
        folder: must exist and be writable.
        in_use: class of the error to raise where another process holds the lock.
        of: what the folder is locked for, to be named in that error; the folder itself by default.

    Yields:
        Whether the lock is held; False, after a warning, where the file system has no locks.

    Raises:
        VclError: of class ``in_use``; names the process that holds the lock.
        OSError: the lock file cannot be opened for writing.
    """
    with (folder / LOCK_NAME).open("a+b", buffering=0) as file:
        try:
            _acquire(file)
        except BlockingIOError:
            raise in_use(f"{of or folder} is in use by {_holder(file) or 'another process'}") from None
        except OSError as error:
            _warn_once(folder.resolve(), error.strerror)
            yield False
            return
        _sign(file)
        yield True


@cache
def _warn_once(folder: Path, reason: str) -> None:
    """Warn of a folder without locks, once per process, which may lock it many times."""
    logger.warning(
        "%s: its file system has no locks (%s): make sure that no other process writes to this folder", folder, reason
    )


def is_locked(folder: Path) -> bool:
    """Whether a process holds the exclusive lock; False where that cannot be determined."""
    try:
        with (folder / LOCK_NAME).open("rb") as file:
            # Shared, so that two processes that check at the same time do not take each other for the holder.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


@contextmanager
def shared_lock(folder: Path, drafts: str = ".+") -> Iterator[None]:
    """Share a folder with other processes that write to it; the first of them removes what killed ones left.

    Nothing is removed where the file system has no locks.

    Args:
        folder: must exist.
        drafts: start of the names of unfinished files that may be removed, as in ``remove_drafts``.

    Raises:
        OSError: the folder cannot be opened.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_drafts(folder, drafts)
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def _acquire(file: BinaryIO) -> None:
    """Take the lock; raise BlockingIOError where another process holds it for longer than ``_PATIENCE``."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _sign(file: BinaryIO) -> None:
    """Write who holds the lock into its file, for error messages; a file that another program wrote is left alone."""
    with suppress(OSError):
        file.seek(0)
        if file.read(1) and not _holder(file):
            return
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}".encode())


def _holder(file: BinaryIO) -> str:
    """The process that signed the file; empty where none did."""
    file.seek(0)
    text = file.read(200).decode(errors="replace")
    return text if _HOLDER.fullmatch(text) else ""
