"""A queue in front of an engine that would start everything at once."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence

from vcl.launch.job import STOPPED, Job, Task

_INTERVAL = 2.0
"""Seconds between two looks at jobs none of which could be started."""


class QueuedTask:
    """A job in the queue, and then the task of the engine.

    Args:
        job: what to start.
        look: starts what there is room for.
    """

    def __init__(self, job: Job, look: Callable[[], None]) -> None:
        self.job = job
        self.task: Task | None = None
        self.is_stopped = False
        self._look = look

    def status(self) -> int | None:
        """As of a ``Task``; also starts what there is room for."""
        self._look()
        if self.task is None:
            return STOPPED if self.is_stopped else None
        return self.task.status()

    def stop(self) -> None:
        """As of a ``Task``."""
        self.is_stopped = True
        if self.task is not None:
            self.task.stop()


class Queue:
    """Jobs of which some run; there is no thread: whoever asks for a status starts what there is room for.

    Args:
        start_one: starts a job.
        most: how many may run at once; None for no limit.
    """

    def __init__(self, start_one: Callable[[Job], Task], most: int | None) -> None:
        self._start_one = start_one
        self._most = most
        self._waiting: deque[QueuedTask] = deque()
        self._look_again_at = 0.0
        self.running: list[QueuedTask] = []

    def start(self, jobs: Sequence[Job]) -> list[Task]:
        """As of a ``Launcher``."""
        tasks = [QueuedTask(job, self._look) for job in jobs]
        self._waiting.extend(tasks)
        self._look()
        return [*tasks]

    def stop(self) -> None:
        """Stop what runs, and empty the queue."""
        for task in (*self._waiting, *self.running):
            task.stop()

    def _look(self) -> None:
        self.running = [task for task in self.running if task.task is not None and task.task.status() is None]
        while self._waiting and (self._most is None or len(self.running) < self._most):
            if (waiting := self._next()) is None:
                return
            waiting.task = self._start_one(waiting.job)
            self.running.append(waiting)

    def _next(self) -> QueuedTask | None:
        """Take the first job from the queue that can be started; those that cannot are asked again in some seconds."""
        self._waiting = deque(task for task in self._waiting if not task.is_stopped)
        if time.monotonic() < self._look_again_at:
            return None
        for task in self._waiting:
            if task.job.is_free():
                self._waiting.remove(task)
                return task
        self._look_again_at = time.monotonic() + _INTERVAL
        return None
