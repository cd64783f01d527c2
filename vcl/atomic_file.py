"""Files and folders that appear whole or not at all."""

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
"""Suffix of a file that is still being written; nothing reads such a file."""


@dataclass
class Draft:
    """A file that is being written.

    Args:
        file: the hidden file, open for reading, writing and seeking.
        path: its final path, in the same folder; may be changed until the end, for a name that depends on the content.
    """

    file: BinaryIO
    path: Path


@contextmanager
def atomic_file(path: Path) -> Iterator[Draft]:
    """Open a new hidden file in the folder of ``path``, and move it to ``path`` once all of it is on disk.

    Its name is unique, so that two processes can write the same file; the last one wins. It is removed when anything
    fails; only a killed process leaves it behind.

    Args:
        path: final path of the file; its folder must exist.

    Yields:
        The draft to write to.

    Raises:
        OSError: the file cannot be written.
    """
    temporary = _hidden_path(path)
    try:
        with temporary.open("x+b") as file:
            draft = Draft(file, path)
            yield draft
            file.flush()
            mode = os.fstat(file.fileno()).st_mode
        # Opened by its name, at which a library may have put another file, readable by its owner alone.
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
        # A failure to remove it, such as a folder that is a file, must not hide the first one.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Fill a new or an empty folder, which does not exist or stays empty until all of its contents are written.

    A new folder is written under a hidden name and renamed. The contents of one that exists, which may be a mount
    point, are written to a hidden folder inside it and moved up. When anything fails the hidden folder is removed; only
    a killed process leaves it behind.

    Args:
        path: the folder; its parent must exist.

    Yields:
        The hidden folder to write into.

    Raises:
        OSError: the folder cannot be written.
    """
    is_new = not path.exists()
    draft = _hidden_path(path) if is_new else _hidden_path(path / "folder")
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
    """Make an empty hidden folder for the files of a library that writes more than one, and remove it at the end.

    A killed process leaves it behind; ``remove_drafts`` removes it.

    Args:
        path: final path of the file; its folder, in which the hidden one is made, must exist.

    Yields:
        The hidden folder.

    Raises:
        OSError: it cannot be made.
    """
    folder = _hidden_path(path)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _hidden_path(path: Path) -> Path:
    """A unique hidden path in the same folder."""
    # Names have at most 255 bytes in most file systems; only the start of a long one fits.
    start = os.fsencode(path.name)[:64].decode(errors="ignore")
    return path.with_name(f".{start}.{uuid.uuid4().hex}{TEMPORARY_SUFFIX}")


def remove_drafts(folder: Path, start: str = ".+") -> None:
    """Remove the drafts that killed processes left in a folder; no other process may be writing to it.

    Args:
        folder: the folder; its sub-folders are left alone unless they are drafts themselves.
        start: regular expression of the start of a name; only drafts of files with such a name are removed.
    """
    name = re.compile(rf"\.{start}\.[0-9a-f]{{32}}{re.escape(TEMPORARY_SUFFIX)}", re.DOTALL)
    for path in folder.iterdir():
        if not name.fullmatch(path.name):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
