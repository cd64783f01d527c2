"""Running a grid of runs, each a run folder, one after another; what a grid is stands in ``vcl.grid_file``.

Who runs the cells is left open: ``run_grid`` takes them one after another and leaves out those that another process has
in hand, so that any number of processes may work on one grid.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from vcl.config import RunConfig
from vcl.errors import Interrupted, RunFolderInUseError, VclError
from vcl.grid_file import Cell, read_grid
from vcl.memory import memory_explained
from vcl.report.summary import summarise
from vcl.run import run
from vcl.rundir import Listener, RunFolder

__all__ = ["Cell", "Listeners", "read_grid", "run_cell", "run_grid"]

log = logging.getLogger(__name__)

_WAIT = 2.0
"""Seconds between two looks at cells that other processes have in hand."""

Listeners = Callable[[RunFolder, RunConfig], AbstractContextManager[Sequence[Listener]]]
"""Given a cell's folder and config, whoever wants to watch while it runs."""


def run_grid(cells: Sequence[Cell], out: Path, listeners: Listeners) -> list[str]:
    """Run what is not done yet, a line a cell; one that fails is told of and passed over.

    Args:
        cells: in the order to run them.
        out: the grid's folder.
        listeners: watch each cell.

    Returns:
        Names of cells that failed.

    Raises:
        Interrupted: the user asked to stop; the same call goes on.
    """
    left, failed = list(cells), list[str]()
    while left:
        later = []
        for cell in left:
            try:
                if cell.bytes_of in failed:
                    raise VclError(f"{cell.bytes_of}, whose bytes it is to have, failed")
                told = run_cell(cell, out, listeners)
            except Interrupted:
                raise
            except VclError as error:
                failed.append(cell.name)
                told = f"failed: {error}"
            if told is None:
                later.append(cell)
            else:
                log.info("[%d/%d] %s: %s", cells.index(cell) + 1, len(cells), cell.name, told)
        if len(later) == len(left):
            time.sleep(_WAIT)
        left = later
    return failed


def run_cell(cell: Cell, out: Path, listeners: Listeners) -> str | None:
    """Run one cell, or what is left of it.

    Returns:
        What to tell of it; None if it has to wait, because another process has it or makes the cell it depends on.

    Raises:
        VclError: the run fails.
    """
    if cell.bytes_of is not None and not RunFolder(out / cell.bytes_of).finished():
        return None
    config, path = cell.config(out), out / cell.name
    if RunFolder(path).in_use():
        return None  # Before the stream is opened, which takes its time.
    before = RunFolder(path).finished()
    with ExitStack() as stack:
        try:
            with memory_explained():
                folder = run(config, path, lambda folder: stack.enter_context(listeners(folder, config)))
        except RunFolderInUseError:
            return None
    found = summarise(folder)
    quality = "" if found.psnr is None else f"{found.psnr:.2f} dB, "
    change = "" if found.backward_transfer is None else f"backward transfer {found.backward_transfer:.2f} dB, "
    return f"{quality}{change}{found.stored_bytes:,} bytes, {found.seconds:.0f} s{' (done before)' if before else ''}"
