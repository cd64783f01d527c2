"""Running a grid in several processes of its own command, which share the cells among themselves."""

from __future__ import annotations

import logging
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from types import FrameType

from vcl.errors import Interrupted
from vcl.grid_file import Cell
from vcl.rundir import RunFolder

log = logging.getLogger(__name__)

_STOPPED = 130
"""Exit status of a process that was stopped gently."""

_PATIENCE = 5.0
"""Seconds to wait for the last lines of a process that has ended; a process of its own may hold its output open."""

_REMARK = "vcl: "
"""Start of the line in which a process says why it ends."""

_FINISHED_BEFORE = " (finished before)"
"""End of the line of a cell that another process has run."""


def run_jobs(command: Sequence[str], jobs: int, cells: Sequence[Cell], out: Path) -> list[str]:
    """Run the same command several times at once until the cells are finished, and log what the processes say.

    A line that several of them say, such as the result of a cell, is logged once. The first SIGINT, SIGTERM or SIGHUP
    stops all processes gently, the second at once.

    Args:
        command: words that run the grid in one process.
        jobs: how many processes.
        cells: of the grid.
        out: the grid's folder.

    Returns:
        Names of cells that are not finished.

    Raises:
        Interrupted: the user stopped it; the same call resumes it.
        OSError: a process cannot be started.
    """
    processes: list[subprocess.Popen[str]] = []
    readers, said, remarks = list[Thread](), dict[str, int](), dict[int, str]()
    with _stopping_together(processes) as stopped:
        try:
            for number in range(jobs):
                if not stopped:
                    process = _start(command)
                    processes.append(process)
                    readers.append(Thread(target=_pass_on, args=(process, number, said, remarks), daemon=True))
                    readers[-1].start()
        except OSError:
            _stop(processes)
            raise
        finally:
            if stopped:  # A signal may have come before the last process was known.
                _stop([process for process in processes if process not in stopped[-1]])
            statuses = [_status_of(process) for process in processes]
    for reader in readers:
        reader.join(_PATIENCE)
    failed = [cell.name for cell in cells if not RunFolder(out / cell.name).finished()]
    for number, status in enumerate(statuses):
        reason = remarks.get(number) or _ending(status)
        if status and reason != failures(failed, cells):
            log.warning("process %d of %d: %s", number + 1, jobs, reason)
    if failed and (stopped or _STOPPED in statuses):
        raise Interrupted("stopped")
    return failed


def failures(failed: Sequence[str], cells: Sequence[Cell]) -> str:
    """One line about the cells of a grid that failed."""
    return f"{len(failed)} of {len(cells)} cells failed: {', '.join(failed)}"


def _ending(status: int) -> str:
    return f"ended by signal {-status}" if status < 0 else f"ended with status {status}"


def _start(command: Sequence[str]) -> subprocess.Popen[str]:
    """Start a process in a session of its own: else Ctrl-C on a terminal would reach it twice, and end it at once."""
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )


def _status_of(process: subprocess.Popen[str]) -> int:
    """Wait for a process to end.

    A signal that another thread has received is handled here, and only once this thread runs: so it wakes now and then.
    """
    while True:
        with suppress(subprocess.TimeoutExpired):
            return process.wait(_PATIENCE)


def _stop(processes: Sequence[subprocess.Popen[str]]) -> None:
    """Interrupt every process, as Ctrl-C does."""
    for process in processes:
        process.send_signal(signal.SIGINT)


def _pass_on(process: subprocess.Popen[str], number: int, said: dict[str, int], remarks: dict[int, str]) -> None:
    """Log the lines of a process that no other has said before; keep the one in which it says why it ends."""
    assert process.stderr is not None
    with process.stderr as lines:
        for line in map(str.rstrip, lines):
            if line.startswith(_REMARK):
                remarks[number] = line.removeprefix(_REMARK)
            elif said.setdefault(line.removesuffix(_FINISHED_BEFORE), number) == number:
                log.info("%s", line)


@contextmanager
def _stopping_together(
    processes: Sequence[subprocess.Popen[str]],
) -> Iterator[list[list[subprocess.Popen[str]]]]:
    """Pass signals that stop this process on to others, each as Ctrl-C; yields, of each that came, who got it."""
    stopped: list[list[subprocess.Popen[str]]] = []

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.append(list(processes))
        _stop(stopped[-1])

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # Under nohup it is to be ignored.
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
