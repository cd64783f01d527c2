"""What a job says, read from its log while it grows."""

from __future__ import annotations

import logging
from pathlib import Path

log = logging.getLogger(__name__)

_REMARK = "vcl: "
"""Start of the line in which a process says why it ends."""


class Tail:
    """Lines that are appended to a file from now on.

    The file is opened anew each time: a network file system then shows what another machine has written and closed.

    ``remark`` is the line in which the process said why it ends; empty until it does.

    Args:
        path: the file; it need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.remark = ""
        self._rest = b""
        try:
            self._position = path.stat().st_size
        except OSError:
            self._position = 0

    def pass_on(self, last: bool = False) -> None:
        """Log the lines that came since the last call, but for the remark.

        Args:
            last: nothing more will come, so that a line without an end is one too.
        """
        for line in self._lines(last):
            if line.startswith(_REMARK):
                self.remark = line.removeprefix(_REMARK)
            else:
                log.info("%s", line)

    def ending(self, status: int) -> str:
        """Why a process has ended with some status: what it said itself, or else how, and where to read on."""
        if self.remark:
            return self.remark
        how = f"by signal {-status}" if status < 0 else f"with status {status}"
        return f"ended {how}; what it said: {self.path}"

    def _lines(self, last: bool) -> list[str]:
        try:
            with self.path.open("rb") as file:
                file.seek(self._position)
                content = file.read()
        except OSError:
            return []
        self._position += len(content)
        *whole, self._rest = (self._rest + content).split(b"\n")
        if last and self._rest:
            whole, self._rest = [*whole, self._rest], b""
        return [line.decode(errors="replace").rstrip() for line in whole]
