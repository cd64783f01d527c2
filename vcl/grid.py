"""Running the cells of a grid, each a run folder; ``vcl.grid_file`` says what a grid is.

``run_grid`` runs cells one after another and skips those that another process is running, so that any number of
processes may share a grid.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from vcl.config import RunConfig
from vcl.errors import Interrupted, RunFolderInUseError, VclError
from vcl.grid_file import Cell, read_grid
from vcl.lease import lease
from vcl.memory import memory_explained
from vcl.report.summary import summarise
from vcl.run import run
from vcl.rundir import Listener, RunFolder

__all__ = ["Cell", "Listeners", "read_grid", "result_line", "run_cell", "run_grid"]

log = logging.getLogger(__name__)

_WAIT = 2.0
"""Seconds between two attempts at cells that other processes are running."""

Listeners = Callable[[RunFolder, RunConfig], AbstractContextManager[Sequence[Listener]]]
"""A cell's folder and config to its listeners, which are closed when it has run."""


def run_grid(cells: Sequence[Cell], out: Path, listeners: Listeners) -> list[str]:
    """Run all cells that are not finished, and log one line per cell; those after a failed cell still run.

    Args:
        cells: in the order to run them.
        out: the grid's folder.
        listeners: makes the listeners of each cell.

    Returns:
        Names of cells that failed.

    Raises:
        Interrupted: the user stopped it; the same call resumes it.
    """
    remaining, failed = list(cells), list[str]()
    while remaining:
        waiting = []
        for cell in remaining:
            try:
                if cell.bytes_of in failed:
                    raise VclError(f"{cell.bytes_of}, whose bytes it must match, failed")
                result = run_cell(cell, out, listeners)
            except Interrupted as stop:
                raise Interrupted(f"{cell.name}: {stop}") from None
            except VclError as error:
                failed.append(cell.name)
                result = f"failed: {error}"
            if result is None:
                waiting.append(cell)
            else:
                log.info("[%d/%d] %s: %s", cells.index(cell) + 1, len(cells), cell.name, result)
        if len(waiting) == len(remaining):
            time.sleep(_WAIT)
        remaining = waiting
    return failed


def run_alone(cells: Sequence[Cell], name: str, out: Path, listeners: Listeners) -> bool:
    """Run one cell of a grid, or the rest of it, and log its result.

    Args:
        cells: of the grid.
        name: of the cell; that whose bytes it must match is finished.
        out: the grid's folder.
        listeners: makes the listeners of the cell.

    Returns:
        False if another process is running it.

    Raises:
        Interrupted: the user stopped it; the same call resumes it.
        VclError: the run fails.
    """
    number, cell = next((number, cell) for number, cell in enumerate(cells, start=1) if cell.name == name)
    if cell.bytes_of is not None and not RunFolder(out / cell.bytes_of).finished():
        raise VclError(f"{cell.bytes_of}, whose bytes it must match, is not finished")
    try:
        result = run_cell(cell, out, listeners)
    except Interrupted as stop:
        raise Interrupted(f"{cell.name}: {stop}") from None
    if result is not None:
        log.info("[%d/%d] %s: %s", number, len(cells), name, result)
    return result is not None


def run_cell(cell: Cell, out: Path, listeners: Listeners) -> str | None:
    """Run one cell, or the rest of it, and hold its lease meanwhile.

    Returns:
        Its result in one line; None if it must wait because another process is running it, or because the cell whose
        bytes it must match is not finished.

    Raises:
        VclError: the run fails.
    """
    if cell.bytes_of is not None and not RunFolder(out / cell.bytes_of).finished():
        return None
    path = out / cell.name
    if RunFolder(path).in_use():
        return None
    with ExitStack() as stack:
        stack.enter_context(_lines_of(cell.name))
        try:
            if not RunFolder(path).finished():
                stack.enter_context(lease(path))
            finished_before, config = RunFolder(path).finished(), cell.config(out)
            with memory_explained():
                folder = run(config, path, lambda folder: stack.enter_context(listeners(folder, config)))
        except RunFolderInUseError:
            return None
    return result_line(folder, finished_before)


def result_line(folder: RunFolder, finished_before: bool = False) -> str:
    """What a finished cell has come to: its PSNR and backward transfer, stored bytes, and seconds of training."""
    summary = summarise(folder)
    quality = "" if summary.psnr is None else f"{summary.psnr:.2f} dB, "
    change = "" if summary.backward_transfer is None else f"backward transfer {summary.backward_transfer:.2f} dB, "
    note = " (finished before)" if finished_before else ""
    return f"{quality}{change}{summary.stored_bytes:,} bytes, {summary.seconds:.0f} s{note}"


@contextmanager
def _lines_of(name: str) -> Iterator[None]:
    """Start every line that is logged meanwhile with the name of a cell."""

    def add_name(record: logging.LogRecord) -> bool:
        record.msg, record.args = f"{name}: {record.getMessage()}", ()
        return True

    handlers = logging.getLogger().handlers
    for handler in handlers:
        handler.addFilter(add_name)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(add_name)
