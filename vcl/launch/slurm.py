"""Jobs as an array job of SLURM, through submitit."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vcl.errors import VclError
from vcl.launch.job import LOST, STOPPED, Job, Task
from vcl.launch.settings import LaunchSettings
from vcl.launch.supervise import Supervised

if TYPE_CHECKING:
    import submitit


log = logging.getLogger(__name__)


class Cell:
    """What a machine of the cluster runs; submitit stores it as a pickle of its own in the folder of the launcher.

    Args:
        job: what to run.
        folder: to run it in.
        retries: how often it is started again when it is killed.
    """

    def __init__(self, job: Job, folder: Path, retries: int) -> None:
        self._job, self._folder, self._retries = job, folder, retries
        self._running: Supervised | None = None

    def __call__(self) -> int:
        """Run the job; gives its exit status."""
        self._running = Supervised(self._job.command, self._job.log, self._folder, {}, self._retries)
        return self._running.run()

    def checkpoint(self) -> Any:
        """Called by submitit before SLURM cuts the job off: lets the command save, and queues the rest of it."""
        from submitit.helpers import DelayedSubmission

        if self._running is not None:
            self._running.stop()
        return DelayedSubmission(Cell(self._job, self._folder, self._retries))


class SlurmLauncher:
    """Submits jobs; they go on without this process, and are cancelled when it closes the launcher.

    Args:
        settings: partition, time and so on.
        folder: for what submitit writes; every machine must see it.

    Raises:
        VclError: submitit is not installed, or there is no SLURM here.
    """

    def __init__(self, settings: LaunchSettings, folder: Path) -> None:
        self._retries = settings.retries
        self._executor = _executor(settings, folder.absolute())
        self._tasks: list[_Submitted] = []

    def start(self, jobs: Sequence[Job]) -> list[Task]:
        """As of a ``Launcher``; the jobs are one array job."""
        cells = [Cell(_absolute(job), Path.cwd(), self._retries) for job in jobs]
        tasks = [
            _Submitted(submitted, partial(self._submit, [cell]), self._retries)
            for cell, submitted in zip(cells, self._submit(cells), strict=True)
        ]
        self._tasks += tasks
        return [*tasks]

    def _submit(self, cells: Sequence[Cell]) -> list[submitit.Job[int]]:
        try:
            with self._executor.batch():
                return [self._executor.submit(cell) for cell in cells]
        except Exception as error:  # What sbatch says comes as one of several classes.
            raise VclError(f"SLURM did not take the jobs: {_last_line(error)}") from error

    def close(self) -> None:
        """Cancel what still runs."""
        for task in self._tasks:
            if task.status() is None:
                task.stop()


class _Submitted:
    """A job in SLURM's hands, submitted again when it is lost; SLURM itself queues again what it cut off.

    Args:
        job: as submitit gave it.
        again: submits it once more.
        retries: how often.
    """

    def __init__(self, job: submitit.Job[int], again: Callable[[], list[submitit.Job[int]]], retries: int) -> None:
        self._job, self._again, self._retries = job, again, retries
        self._status: int | None = None
        self._is_stopped = False

    def status(self) -> int | None:
        if self._status is None and self._job.done():
            self._status = STOPPED if self._is_stopped else self._ending()
        return self._status

    def stop(self) -> None:
        self._is_stopped = True
        self._job.cancel(check=False)

    def _ending(self) -> int | None:
        from submitit.core.utils import FailedJobError, UncompletedJobError

        try:
            return self._job.result()
        except FailedJobError:  # Such as one that SLURM cut off too often.
            log.warning("job %s failed; what it said: %s", self._job.job_id, self._job.paths.stderr)
            return 1
        except UncompletedJobError:
            state = self._job.state
        if state.startswith("CANCELLED"):  # By somebody else, who did not want it.
            return STOPPED
        if not self._retries:
            return LOST
        self._retries -= 1
        log.warning("job %s was lost (%s); it is submitted again", self._job.job_id, state)
        (self._job,) = self._again()
        return None


def _executor(settings: LaunchSettings, folder: Path) -> submitit.AutoExecutor:
    try:
        import submitit
    except ImportError:
        raise VclError("the launcher slurm needs submitit, which is not installed: pip install 'vcl[slurm]'") from None

    if settings.cluster == "slurm" and shutil.which("sbatch") is None:
        raise VclError("the launcher slurm must run where SLURM is, got a machine without sbatch")
    folder.mkdir(parents=True, exist_ok=True)
    executor = submitit.AutoExecutor(folder, cluster=settings.cluster, slurm_max_num_timeout=settings.retries)
    parameters: dict[str, Any] = {
        "name": "vcl",
        "timeout_min": settings.minutes,
        "cpus_per_task": settings.cpus,
        # Newer versions of srun do not inherit it.
        "slurm_srun_args": [f"--cpus-per-task={settings.cpus}"],
    }
    if settings.gpus:
        parameters["gpus_per_node"] = int(settings.gpus)
    if settings.partition is not None:
        parameters["slurm_partition"] = settings.partition
    if settings.jobs is not None:
        parameters["slurm_array_parallelism"] = settings.jobs
    executor.update_parameters(**parameters)
    return executor


def _absolute(job: Job) -> Job:
    return Job(job.name, job.command, job.log.absolute())


def _last_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1] if lines else type(error).__name__
