"""What a job says, read from its log while it grows."""

from __future__ import annotations

from pathlib import Path


class Tail:
    """Lines that are appended to a file from now on.

    The file is opened anew each time: a network file system then shows what another machine has written and closed.

    Args:
        path: the file; it need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rest = b""
        try:
            self._position = path.stat().st_size
        except OSError:
            self._position = 0

    def lines(self, last: bool = False) -> list[str]:
        """Whole lines since the last call, without their ends.

        Args:
            last: nothing more will come, so that a line without an end is one too.
        """
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
