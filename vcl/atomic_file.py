"""A file that appears whole or not at all, and a folder of such."""

import os
import re
import shutil
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

TEMPORARY_SUFFIX = ".part"
"""Ending of a file that is still being written; nothing reads such a file."""


@dataclass
class Draft:
    """A file that is being written.

    Args:
        file: open, readable, writable and seekable.
        path: the file to be, in the same folder; may be changed until the end, for a name that depends on the content.
    """

    file: BinaryIO
    path: Path


@contextmanager
def atomic_file(path: Path) -> Iterator[Draft]:
    """Open a new file beside ``path`` and move it there once all of it is on disk.

    Its name is unique, so that two processes can write the same file; the last one wins. It is removed when anything
    fails, only a killed process leaves it behind.

    Args:
        path: the file to be; its folder must exist.

    Yields:
        The draft, to be written to.

    Raises:
        OSError: the file cannot be written.
    """
    temporary = _beside(path)
    try:
        with temporary.open("x+b") as file:
            draft = Draft(file, path)
            yield draft
            file.flush()
            mode = os.fstat(file.fileno()).st_mode
        # By its name: a library that was given the name may have put a file of its own there, for its owner alone.
        with temporary.open("rb") as written:
            os.fchmod(written.fileno(), stat.S_IMODE(mode))
            os.fsync(written.fileno())
        temporary.replace(draft.path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # Without it a power cut could take the new name away again.
        finally:
            os.close(folder)
    except BaseException:
        # Its own failure, such as a folder that is a file, must not hide the first one.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Fill a new or empty folder, which is not there or stays empty until all that goes into it is written.

    A new folder is written beside its place and moved there. What goes into one that exists, which may be a mount
    point, is written to a hidden folder inside and moved up. When anything fails it is removed, only a killed process
    leaves it behind.

    Args:
        path: the folder; the one that it lies in must exist.

    Yields:
        The hidden folder, to be written into.

    Raises:
        OSError: the folder cannot be written.
    """
    is_new = not path.exists()
    draft = _beside(path) if is_new else _beside(path / "folder")
    try:
        draft.mkdir()
        yield draft
        if is_new:
            draft.rename(path)
        else:
            for item in sorted(draft.iterdir()):
                item.rename(path / item.name)
            draft.rmdir()
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


@contextmanager
def draft_folder(path: Path) -> Iterator[Path]:
    """Make a hidden folder beside a file to be, for a library that makes files of its own, and remove it at the end.

    Of a killed process it is left behind, and ``remove_drafts`` removes it.

    Args:
        path: the file to be; its folder must exist.

    Yields:
        The folder, empty.

    Raises:
        OSError: it cannot be made.
    """
    folder = _beside(path)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _beside(path: Path) -> Path:
    """A hidden name of its own beside a path."""
    # Names have at most 255 bytes in most file systems; the start of a long one leaves room for the rest.
    start = os.fsencode(path.name)[:64].decode(errors="ignore")
    return path.with_name(f".{start}.{uuid.uuid4().hex}{TEMPORARY_SUFFIX}")


def remove_drafts(folder: Path, start: str = ".+") -> None:
    """Remove the drafts that killed processes left; for a process that knows nobody else to be writing there.

    Args:
        folder: where to look; other folders in it are left alone.
        start: regular expression; only drafts of files whose name begins so.
    """
    name = re.compile(rf"\.{start}\.[0-9a-f]{{32}}{re.escape(TEMPORARY_SUFFIX)}", re.DOTALL)
    for path in folder.iterdir():
        if not name.fullmatch(path.name):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
