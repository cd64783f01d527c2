"""Standard output and error, whatever is at their other end: any encoding, a pipe that closes, a full disk, nothing."""

from __future__ import annotations

import codecs
import io
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from vcl.errors import OutputClosedError, OutputError

_ERRORS = "vcl.plain"

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
    """Make standard output and error take any text, and be there; to be called before anything is opened."""
    if sys.stdout is None or sys.stderr is None:
        # The next files to be opened would get the numbers of the closed ones, and with them what libraries print.
        while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
            pass
        os.close(descriptor)
        sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115 - kept until the process ends
        sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115
    codecs.register_error(_ERRORS, _plainly)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_ERRORS)


def write_output(text: str) -> None:
    """Write to standard output at once.

    Raises:
        OutputClosedError: nobody reads it any more.
        OutputError: it cannot be written to, such as a file on a full disk.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        _give_up(sys.stdout)
        if isinstance(error, BrokenPipeError):
            raise OutputClosedError("nobody reads standard output any more") from error
        raise OutputError(f"standard output cannot be written: {error.strerror or error}") from error


def write_error(text: str) -> None:
    """Write to standard error; where nobody can be told, nobody is."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        _give_up(sys.stderr)


def _give_up(stream: TextIO) -> None:
    """Send a stream nowhere, since Python would try at its end to write what is left, and complain."""
    with suppress(OSError, ValueError):  # A stream of a test or a notebook has no number.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _plainly(error: UnicodeError) -> tuple[str, int]:
    """Replace characters that an encoding lacks: lines of tables by ASCII, what has no likeness there by its code."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    plain = (_PLAIN.get(character) or character.encode("ascii", "backslashreplace").decode() for character in lacking)
    return "".join(plain), error.end
