"""Running the cells of a grid by a launcher, each as a command of its own."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from vcl.errors import Interrupted, VclError
from vcl.grid_file import Cell
from vcl.launch import BUSY, STOPPED, Job, Launcher, Task
from vcl.launch.stopping import signals_noted
from vcl.launch.tail import Tail
from vcl.lease import is_free
from vcl.rundir import RunFolder

log = logging.getLogger(__name__)

LOGS = ".logs"
"""Folder within a grid's, in which each cell has a file with all that it said."""

_INTERVAL = 0.2
"""Seconds between two looks at the jobs."""

_WAIT = 2.0
"""Seconds between two looks at cells that wait for others, or that other processes are running."""


def launch_grid(
    cells: Sequence[Cell], out: Path, command: Callable[[Cell], Sequence[str]], launcher: Launcher
) -> list[str]:
    """Run all cells that are not finished, and log one line per cell; those after a failed cell still run.

    What the cells say is passed on line by line. The first SIGINT, SIGTERM or SIGHUP stops all of them gently, the
    second at once.

    Args:
        cells: of the grid.
        out: the grid's folder.
        command: words that run a cell, or what is left of it.
        launcher: starts them; it is closed at the end.

    Returns:
        Names of cells that failed.

    Raises:
        Interrupted: the user stopped it; the same call resumes it.
        VclError: the launcher cannot start them.
    """
    grid, passed_on = _Grid(cells, out, command, launcher), 0
    with closing(launcher), signals_noted() as signals:
        while grid.goes_on(start=not signals):
            if len(signals) > passed_on:
                passed_on = len(signals)
                grid.stop()
            time.sleep(_INTERVAL)
    if grid.stopped or (signals and len(grid.done) < len(cells)):
        raise Interrupted("stopped")
    return [cell.name for cell in cells if cell.name in grid.failed]


def failures(failed: Sequence[str], cells: Sequence[Cell]) -> str:
    """One line about the cells of a grid that failed."""
    return f"{len(failed)} of {len(cells)} cells failed: {', '.join(failed)}"


class _Grid:
    """Which cells wait, run, are done, have failed or were stopped."""

    def __init__(
        self, cells: Sequence[Cell], out: Path, command: Callable[[Cell], Sequence[str]], launcher: Launcher
    ) -> None:
        self._cells, self._out, self._command, self._launcher = cells, out, command, launcher
        self._waiting = list(cells)
        self._look_again_at = 0.0
        self._running: list[tuple[Cell, Task, Tail]] = []
        self._is_stopping = False
        self.done: set[str] = set()
        self.failed: set[str] = set()
        self.stopped: set[str] = set()

    def goes_on(self, start: bool) -> bool:
        """Look at all jobs once, and start those that may; False when there is nothing left to wait for."""
        for cell, task, tail in list(self._running):
            status = task.status()  # Before the last lines are read.
            tail.pass_on(last=status is not None)
            if status is not None:
                self._running.remove((cell, task, tail))
                self._close(cell, status, tail)
        if start and time.monotonic() >= self._look_again_at:
            self._start()
        return bool(self._running) or (start and any(cell.bytes_of not in self.stopped for cell in self._waiting))

    def stop(self) -> None:
        """Stop every job as Ctrl-C does."""
        self._is_stopping = True
        for _, task, _ in self._running:
            task.stop()

    def _start(self) -> None:
        ready: list[Cell] = []
        while free := [cell for cell in self._waiting if self._may_start(cell)]:  # One that is over may free others.
            self._waiting = [cell for cell in self._waiting if cell not in free]
            ready += [cell for cell in free if not self._is_over(cell)]
        if self._waiting:
            self._look_again_at = time.monotonic() + _WAIT
        jobs = [
            Job(cell.name, tuple(self._command(cell)), self._log(cell), partial(self._is_free, cell)) for cell in ready
        ]
        tails = [Tail(job.log) for job in jobs]
        if jobs:
            self._running += zip(ready, self._launcher.start(jobs), tails, strict=True)

    def _may_start(self, cell: Cell) -> bool:
        """Whether a cell waits for no other one, and no other process is running it."""
        waits = cell.bytes_of is not None and cell.bytes_of not in self.done | self.failed
        return not waits and self._is_free(cell)

    def _is_free(self, cell: Cell) -> bool:
        path = self._out / cell.name
        return is_free(path) and not RunFolder(path).in_use()

    def _is_over(self, cell: Cell) -> bool:
        """Whether a cell need not be started: it is finished, or can never be."""
        if cell.bytes_of in self.failed:
            self._fail(cell, f"{cell.bytes_of}, whose bytes it must match, failed")
            return True
        try:
            folder = RunFolder(self._out / cell.name)
            if not folder.finished():
                return False
            folder.check_config(cell.config(self._out))
            from vcl.grid import result_line  # Loads torch.

            self._say(cell, result_line(folder, finished_before=True))
            self.done.add(cell.name)
        except VclError as error:
            self._fail(cell, str(error))
        return True

    def _close(self, cell: Cell, status: int, tail: Tail) -> None:
        # A signal may come when a cell has just finished, or while it loads and ends by it.
        if status == 0 or (self._is_stopping and RunFolder(self._out / cell.name).finished()):
            self.done.add(cell.name)
        elif status == BUSY:
            self._waiting.append(cell)
        elif status == STOPPED or self._is_stopping:
            self.stopped.add(cell.name)
            if tail.remark:
                log.info("%s", tail.remark)
        else:
            self._fail(cell, tail.ending(status))

    def _fail(self, cell: Cell, reason: str) -> None:
        self.failed.add(cell.name)
        self._say(cell, f"failed: {reason}")

    def _say(self, cell: Cell, result: str) -> None:
        log.info("[%d/%d] %s: %s", self._cells.index(cell) + 1, len(self._cells), cell.name, result)

    def _log(self, cell: Cell) -> Path:
        return self._out / LOGS / f"{cell.name}.log"
