"""Jobs as processes of this machine, so many at once."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import time
from collections.abc import Sequence

from vcl.errors import VclError
from vcl.launch.job import Job, Task, is_killed
from vcl.launch.queued import Queue

log = logging.getLogger(__name__)

_PATIENCE = 60.0
"""Seconds for processes to save and end, once they are asked to."""


class LocalLauncher:
    """Starts processes, each in a session of its own: else Ctrl-C on a terminal would reach them twice.

    Args:
        most: jobs at once.
        retries: how often a job is started again whose process was killed.
        devices: the CUDA device of each of the jobs that run at once, which are then at most so many; empty leaves
            the devices to the jobs.
    """

    def __init__(self, most: int, retries: int = 3, devices: Sequence[str] = ()) -> None:
        self._retries = retries
        self._devices = tuple(devices)
        self._queue = Queue(self._start_one, min(most, len(devices)) if devices else most)

    def start(self, jobs: Sequence[Job]) -> list[Task]:
        """As of a ``Launcher``."""
        return self._queue.start(jobs)

    def close(self) -> None:
        """Stop what still runs, and wait for it; what does not end in a minute is killed."""
        self._queue.stop()
        deadline = time.monotonic() + _PATIENCE
        for process in [task.task for task in self._queue.running]:
            assert isinstance(process, _Process)
            process.end(deadline)

    def _start_one(self, job: Job) -> _Process:
        free = list(self._devices)
        for task in self._queue.running:
            if isinstance(task.task, _Process) and task.task.device is not None:
                free.remove(task.task.device)
        return _Process(job, self._retries, free[0] if free else None)


class _Process:
    """A process of a job, started again when it is killed."""

    def __init__(self, job: Job, retries: int, device: str | None) -> None:
        self.device = device
        self._job = job
        self._retries = retries
        self._is_stopped = False
        self._process = self._started()

    def status(self) -> int | None:
        status = self._process.poll()
        if status is None or not is_killed(status) or self._is_stopped or not self._retries:
            return status
        self._retries -= 1
        log.warning("%s: ended by signal %d; it is started again", self._job.name, -status)
        self._process = self._started()
        return None

    def stop(self) -> None:
        self._is_stopped = True
        self._process.send_signal(signal.SIGINT)

    def end(self, deadline: float) -> None:
        """Wait until a moment of the monotonic clock, and kill it then."""
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _started(self) -> subprocess.Popen[bytes]:
        environment = None if self.device is None else {**os.environ, "CUDA_VISIBLE_DEVICES": self.device}
        try:
            self._job.log.parent.mkdir(parents=True, exist_ok=True)
            with self._job.log.open("ab") as output:
                return subprocess.Popen(
                    self._job.command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=environment,
                    start_new_session=True,
                )
        except OSError as error:
            raise VclError(f"{self._job.name} cannot be started: {error.filename or ''} ({error.strerror})") from error
