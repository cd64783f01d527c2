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


@dataclass
class FakeTask:
    job: object
    launcher: object
    rows: int = 0
    stopped: bool = False

    def status(self):
        name = self.job.name
        if self.stopped:
            return 130
        if name in self.launcher.fails:
            self.job.log.parent.mkdir(exist_ok=True)
            with self.job.log.open("a") as log:
                log.write(f"some words\nvcl: {self.launcher.fails[name]}\n")
            return 2
        out = self.job.log.parents[1]
        config = configs.load(out / f"{name}.yaml")
        psnr = self.launcher.psnr_of(config)
        with RunFolder.opened(out / name, config) as folder:
            if self.rows == len(psnr):
                folder.record({"kind": "end"})
                return 0
            self.rows += 1
            fill(folder, a_matrix(psnr, self.rows), scale=self.launcher.scale_of(config))
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
        rows_until_killed: the whole search is interrupted when a run gets so many.
    """

    psnr_of: object = rising
    scale_of: object = lambda config: 1
    fails: dict = field(default_factory=dict)
    rows_until_killed: float = float("inf")
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
