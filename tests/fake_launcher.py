"""A launcher that starts nothing: with every look at a task, its run folder has one row more."""

from dataclasses import dataclass, field
from math import log10

from fake_run import a_matrix, fill

from vcl import config as configs
from vcl.rundir import RunFolder


class KilledError(Exception):
    """The search is killed."""


def rising(config):
    """Three videos; best where the learning rate is 1e-3, by the same lead in every row."""
    quality = 30 - 2 * abs(log10(config.train.lr) + 3)
    return [[quality, 9.0, 8.0], [quality, quality, 7.0], [quality] * 3]


class FakeTask:
    def __init__(self, job, launcher):
        self.launcher, self.log, self.name = launcher, job.log, job.name
        self.rows = 0
        self.stopped = False
        self.folder = RunFolder(job.log.parents[1] / job.name)
        self.config = configs.load(self.folder.path.with_name(f"{job.name}.yaml"))

    def status(self):
        if self.stopped:
            return self.launcher.status_when_stopped
        if self.name in self.launcher.fails:
            self.log.parent.mkdir(exist_ok=True)
            with self.log.open("a") as log:
                log.write(f"some words\nvcl: {self.launcher.fails[self.name]}\n")
            return 2
        psnr = self.launcher.psnr_of(self.config)
        if self.rows == len(psnr):
            self.folder.record({"kind": "end"})
            return 0
        if not self.rows:
            (self.folder.path / "sessions").mkdir(parents=True, exist_ok=True)
            self.folder.write_config(self.config)
        self.rows += 1
        fill(self.folder, a_matrix(psnr, self.rows), scale=self.launcher.scale_of(self.config))
        if self.rows >= self.launcher.rows_until_killed:
            raise KilledError
        return None

    def stop(self):
        self.stopped = True


@dataclass
class FakeLauncher:
    """Made-up runs.

    Args:
        psnr_of: config to matrix, dB.
        scale_of: config to a factor of the bytes of weights.
        fails: names of trials to what their processes say.
        rows_until_killed: the whole search is killed when a run gets so many.
        status_when_stopped: exit status of what was stopped.
    """

    psnr_of: object = rising
    scale_of: object = lambda config: 1
    fails: dict = field(default_factory=dict)
    rows_until_killed: float = float("inf")
    status_when_stopped: int = 130
    tasks: list = field(default_factory=list)
    batches: list = field(default_factory=list)
    closed: bool = False

    def start(self, jobs):
        self.batches.append([job.name for job in jobs])
        tasks = [FakeTask(job, self) for job in jobs]
        self.tasks += tasks
        return tasks

    def close(self):
        self.closed = True
