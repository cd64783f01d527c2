"""The names that a video may have: one rule for files in a folder, manifests and prepared folders."""

import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath, PureWindowsPath

from vcl.errors import VideoError
from vcl.wording import printable

MAX_NAME_BYTES = 200
"""File systems allow 255 bytes; the rest is for the suffixes of files that are named after a video."""


def name_fault(name: str) -> str:
    """Say why a name cannot be the name of one file in a folder, printed in one line and stored as UTF-8.

    Args:
        name: a video's name, in any alphabet.

    Returns:
        The end of a sentence, such as ``is hidden``; empty for a valid name.
    """
    if not name:
        return "is empty"
    if any("\ud800" <= letter <= "\udfff" for letter in name):
        return f"is not UTF-8 (its bytes are {os.fsencode(name)!r})"
    if name.startswith("."):
        return "is hidden"
    if set(name) & set("/\\\0"):
        return "holds a slash, a backslash or a NUL"
    if printable(name) != name:
        return "holds a line break or another control character"
    if name != name.strip() or name.endswith("."):
        return "begins or ends with a space, or ends with a dot"
    if len(name.encode()) > MAX_NAME_BYTES:
        return f"is longer than {MAX_NAME_BYTES} bytes"
    return ""


def check_names(names: Sequence[str], where: str) -> None:
    """Refuse invalid names, all of them in one line.

    Args:
        names: names of videos.
        where: start of the message.

    Raises:
        VideoError: a name breaks the rule of :func:`name_fault`.
    """
    faults = [f"{name!r} {fault}" for name in names if (fault := name_fault(name))]
    if faults:
        rest = f" and {len(faults) - 10} more" if len(faults) > 10 else ""
        raise VideoError(f"{where}: a video with such a name must be renamed: {'; '.join(faults[:10])}{rest}")


def check_unique(names: Sequence[str], where: str) -> None:
    """Refuse a name that occurs twice: a report could not distinguish the two.

    Names that differ only in the encoding of an accent look the same, and are one file on some systems.

    Args:
        names: names of videos.
        where: start of the message.

    Raises:
        VideoError: a name occurs twice.
    """
    counts = Counter(map(normalised, names))
    duplicates = [name for name in names if counts[normalised(name)] > 1]
    if duplicates:
        raise VideoError(f"{where}: names of videos must differ, found {duplicates[0]} twice")


def normalised(name: str) -> str:
    """The name with every accent encoded in one way (NFC), for comparison."""
    return unicodedata.normalize("NFC", name)


def index_of(name: str, names: Sequence[str]) -> int | None:
    """Where a name, by whatever encoding of its accents, is among others; None where it is not."""
    same = [normalised(other) for other in names]
    return same.index(normalised(name)) if normalised(name) in same else None


def check_inside(paths: Sequence[str], where: str) -> None:
    """Refuse a path that does not stay below the folder it is relative to.

    Args:
        paths: paths of a manifest.
        where: start of the message.

    Raises:
        VideoError: a path is absolute or has ``..`` in it, by the rules of POSIX or of Windows.
    """
    for text in paths:
        for path in (PurePosixPath(text), PureWindowsPath(text)):
            if path.is_absolute() or path.drive or ".." in path.parts or "\0" in text:
                raise VideoError(
                    f"{where}: a path must stay inside the root, without .. and not absolute, got {text!r}"
                )
