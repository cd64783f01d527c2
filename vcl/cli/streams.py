"""Standard output and error for any receiver: another encoding, a pipe that closes, a full disk, or none at all."""

from __future__ import annotations

import codecs
import io
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from vcl.errors import OutputClosedError, OutputError

_ERROR_HANDLER = "vcl.plain"

_PLAIN = {
    **dict.fromkeys("─━╌╴╶╸╺", "-"),
    **dict.fromkeys("│┃╎", "|"),
    **dict.fromkeys("┌┐└┘├┤┬┴┼┏┓┗┛┡┩╇╈╭╮╯╰", "+"),
    **dict.fromkeys("‐‑–—−", "-"),
    **dict.fromkeys("‘’", "'"),
    **dict.fromkeys("“”", '"'),
    "±": "+-",
    "×": "x",
    "→": "->",
    "…": "...",
    "•": "*",
}


def prepare_streams() -> None:
    """Make standard output and error exist and accept any text; to be called before any file is opened."""
    if sys.stdout is None or sys.stderr is None:
        # Files opened next would get the numbers of the closed streams, and with them what libraries print.
        while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
            pass
        os.close(descriptor)
        sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115 - open until the process ends
        sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115
    codecs.register_error(_ERROR_HANDLER, _plain_text)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_ERROR_HANDLER)


def write_output(text: str) -> None:
    """Write to standard output and flush it.

    Raises:
        OutputClosedError: it is a pipe that its reader has closed.
        OutputError: it cannot be written, such as a file on a full disk.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        _discard(sys.stdout)
        if isinstance(error, BrokenPipeError):
            raise OutputClosedError("nobody reads standard output any more") from error
        raise OutputError(f"standard output cannot be written: {error.strerror or error}") from error


def write_error(text: str) -> None:
    """Write to standard error and flush it; an error that it raises is ignored, since there is nowhere to report it."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        _discard(sys.stderr)


def _discard(stream: TextIO) -> None:
    """Redirect a stream to the null device: at exit Python writes what is left in its buffer, and would complain."""
    with suppress(OSError, ValueError):  # A stream of a test or a notebook has no file descriptor.
        null_device = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null_device, stream.fileno())
        os.close(null_device)


def _plain_text(error: UnicodeError) -> tuple[str, int]:
    """Replace characters that an encoding lacks: table lines and punctuation by ASCII, others by their escapes."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    plain = (_PLAIN.get(character) or character.encode("ascii", "backslashreplace").decode() for character in missing)
    return "".join(plain), error.end
