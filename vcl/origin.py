"""Where a process comes from: its command, and the commit of the code that it runs."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent

_GIT_SECONDS = 2
"""Longest time to wait for git, which takes some milliseconds."""


def origin() -> dict[str, str]:
    """What is known of this process's ``command`` and ``commit``, as a start of a run stores them."""
    return {key: value for key, value in (("command", command()), ("commit", commit())) if value is not None}


def command() -> str | None:
    """The words of the ``vcl`` command that this process is, quoted as for a shell; None in another program."""
    program = Path(sys.argv[0]) if sys.argv else Path()
    if program.stem != "vcl" and program.parts[-2:] != ("vcl", "__main__.py"):
        return None
    return shlex.join(["vcl", *sys.argv[1:]])


@cache
def commit() -> str | None:
    """The git commit of this package's checkout, with ``-dirty`` where tracked files differ from it.

    Asked once in a process, which goes on with the code that it began with. None for an installed package, or where
    git does not answer.
    """
    checkout = _PACKAGE.parent
    if not (checkout / ".git").exists():
        return None
    words = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    # Variables of git, as in a hook, may point to another repository; and a lock must not be in anyone's way.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        answer = subprocess.run(
            words,
            env={**environment, "GIT_OPTIONAL_LOCKS": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return answer.stdout.strip() or None if answer.returncode == 0 else None
