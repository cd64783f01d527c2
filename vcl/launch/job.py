"""What every launcher takes and gives."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

STOPPED = 130
"""Exit status of a job that was stopped gently, or taken from the queue."""

BUSY = 75
"""Exit status of a job that another process is doing; it is to be started again when that one has ended."""

LOST = -int(signal.SIGKILL)
"""Exit status of a job that was lost with its workers more often than it may be started again."""

_ASKED_TO_END = (-signal.SIGINT, -signal.SIGTERM, -signal.SIGHUP)


def is_killed(status: int) -> bool:
    """Whether a process ended by a signal that nobody sends to ask it to end, such as one without memory."""
    return status < 0 and status not in _ASKED_TO_END


@dataclass(frozen=True)
class Job:
    """A command to run to its end.

    Args:
        name: for the log and for the queue of an engine.
        command: its words; run again, it goes on where it was stopped, and does nothing once it has finished.
        log: file that its standard output and error are appended to; its folder is made when missing.
        is_free: whether it can be started, and would not only wait for somebody else. A launcher with a queue of its
            own starts others first.
    """

    name: str
    command: tuple[str, ...]
    log: Path
    is_free: Callable[[], bool] = lambda: True


class Task(Protocol):
    """A job that a launcher has taken."""

    def status(self) -> int | None:
        """Exit status once the job is over; None while it waits or runs. Never waits itself."""

    def stop(self) -> None:
        """Stop it as Ctrl-C does, or take it from the queue; ``status`` is no longer None soon after."""


class Launcher(Protocol):
    """Starts jobs, as many at once as it has room for; the others wait in its queue.

    Where a worker or its machine is lost, the job is started again elsewhere, a bounded number of times.
    """

    def start(self, jobs: Sequence[Job]) -> list[Task]:
        """Take jobs, which an engine may see as one array; a task for each, in the same order.

        Raises:
            VclError: the engine is not there, or refuses them.
        """

    def close(self) -> None:
        """Stop what still runs, and let go of the engine."""
