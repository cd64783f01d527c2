"""Jobs as remote tasks of a Ray cluster, or of a Ray on this machine."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from vcl.errors import VclError
from vcl.launch.job import LOST, STOPPED, Job, Task
from vcl.launch.queued import Queue
from vcl.launch.settings import LaunchSettings
from vcl.launch.supervise import Supervised, passed_environment

_STORE = 100 * 2**20
"""Bytes of the object store of a Ray of our own; tasks pass words and a number."""

log = logging.getLogger(__name__)


class RayLauncher:
    """Starts remote tasks; Ray starts one again elsewhere when its worker or its machine is lost.

    Args:
        settings: cluster, cores, GPUs and so on.

    Raises:
        VclError: Ray is not installed, or the cluster does not answer.
    """

    def __init__(self, settings: LaunchSettings) -> None:
        self._ray = _connected(settings)
        self._folder = Path.cwd()
        self._environment = passed_environment()
        self._retries = settings.retries
        self._remote = self._ray.remote(
            num_cpus=settings.cpus, num_gpus=settings.gpus or 0, max_retries=settings.retries
        )(_run)
        self._queue = Queue(self._start_one, settings.jobs)

    def start(self, jobs: Sequence[Job]) -> list[Task]:
        """As of a ``Launcher``."""
        return self._queue.start(jobs)

    def close(self) -> None:
        """Stop what still runs, and leave the cluster, or end a Ray of our own."""
        self._queue.stop()
        running = [task.task.result for task in self._queue.running if isinstance(task.task, _Remote)]
        if running:
            self._ray.wait(running, num_returns=len(running), timeout=60.0)
        self._ray.shutdown()

    def _start_one(self, job: Job) -> _Remote:
        result = self._remote.options(name=job.name).remote(
            job.command, str(job.log.absolute()), str(self._folder), self._environment, self._retries
        )
        return _Remote(self._ray, job.name, result)


class _Remote:
    """A job in Ray's hands."""

    def __init__(self, ray: Any, name: str, result: Any) -> None:
        self.result = result
        self._name = name
        self._ray = ray
        self._status: int | None = None
        self._stops = 0

    def status(self) -> int | None:
        if self._status is None and self._ray.wait([self.result], timeout=0)[0]:
            self._status = self._ending()
        return self._status

    def stop(self) -> None:
        self._stops += 1
        self._ray.cancel(self.result, force=self._stops > 1)

    def _ending(self) -> int:
        try:
            return int(self._ray.get(self.result))
        except self._ray.exceptions.TaskCancelledError:
            return STOPPED
        except self._ray.exceptions.RayError as error:
            if self._stops:
                return STOPPED
            log.warning("%s: %s", self._name, str(error).strip().splitlines()[-1])
            return 1 if isinstance(error, self._ray.exceptions.RayTaskError) else LOST


def _run(words: Sequence[str], log: str, folder: str, environment: dict[str, str], retries: int) -> int:
    """Run a job on a machine of the cluster; gives its exit status."""
    job = Supervised(words, Path(log), Path(folder), environment, retries)
    with suppress(KeyboardInterrupt):  # As ray.cancel sends.
        return job.run()
    return STOPPED


def _connected(settings: LaunchSettings) -> Any:
    address = settings.address or os.environ.get("RAY_ADDRESS")
    _check(address)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray
    except ImportError:
        raise VclError("the launcher ray needs Ray, which is not installed: pip install 'vcl[ray]'") from None
    own: dict[str, Any] = (
        {} if address else {"num_cpus": _cores(settings), "include_dashboard": False, "object_store_memory": _STORE}
    )
    try:
        ray.init(address or "local", log_to_driver=False, logging_level=logging.ERROR, **({} if address else own))
    except (OSError, ValueError, RuntimeError) as error:
        raise VclError(f"launch.address must be that of a Ray cluster, got {address} ({error})") from error
    if not settings.gpus and (gpus := _resources(ray).get("GPU")):
        log.info("Ray has %d GPUs, of which no cell gets one; --launch gpus=1 gives one to each", gpus)
    return ray


def _check(address: str | None) -> None:
    """Refuse an address where nothing answers, on which Ray would try for minutes."""
    host, colon, port = (address or "auto").rpartition(":")
    if not colon and port == "auto":
        return
    reason = "not HOST:PORT or auto"
    if host and port.isdecimal():
        try:
            socket.create_connection((host, int(port)), timeout=10.0).close()
            return
        except (OSError, OverflowError) as error:
            reason = str(error)
    raise VclError(f"launch.address must be that of a Ray cluster, got {address} ({reason})")


def _resources(ray: Any) -> dict[str, float]:
    resources: dict[str, float] = ray.cluster_resources()
    return resources


def _cores(settings: LaunchSettings) -> int | None:
    """Cores of a Ray of our own; None for all of the machine."""
    return None if settings.jobs is None else settings.jobs * settings.cpus
