"""Running the trials of a search through a launcher."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import optuna
from optuna.trial import Trial, TrialState

from vcl import config as configs
from vcl.errors import ConfigError, Interrupted, RunFolderError, VclError
from vcl.grid_launch import LOGS
from vcl.launch import STOPPED, Job, Launcher, Task
from vcl.launch.stopping import signals_noted
from vcl.launch.tail import Tail
from vcl.report.summary import summarise, train_seconds
from vcl.rundir import RunFolder
from vcl.rundir.files import write_whole
from vcl.tune.rows import averages
from vcl.tune.search_file import Search
from vcl.tune.study import REFUSED, drawn, unfinished

log = logging.getLogger(__name__)

_INTERVAL = 0.5
"""Seconds between two looks at the trials that run."""

_FAILURES = 3
"""So many failed trials before any has a row mean that something else is wrong than what was drawn."""


def name_of(number: int) -> str:
    """Name of a trial: of its run folder, its config and its log."""
    return f"{number:03d}"


@dataclass
class _Running:
    """A trial that is to run.

    Args:
        trial: of the study.
        folder: its run folder.
        log: file of what its process says.
        reported: rows that the study knows.
        task: None until it is started, and where nothing is left to run.
        tail: of the log.
        told: whether the study knows how it ended; its process may still have to.
    """

    trial: Trial
    folder: RunFolder
    log: Path
    reported: set[int]
    task: Task | None = None
    tail: Tail = field(init=False)
    told: bool = False

    def __post_init__(self) -> None:
        self.tail = Tail(self.log)

    @property
    def name(self) -> str:
        """Name of the trial."""
        return name_of(self.trial.number)

    def status(self) -> int | None:
        """Exit status of its process, whose lines are passed on; None while it waits or runs."""
        status = 0 if self.task is None else self.task.status()
        self.tail.pass_on(last=status is not None)
        return status

    def stop(self) -> None:
        """Stop its process as Ctrl-C does."""
        if self.task is not None:
            self.task.stop()


class Loop:
    """The trials of a search.

    Args:
        study: as ``vcl.tune.study.opened`` gives it.
        search: that it belongs to.
        out: its folder.
        command: name of a trial to the words that run it, or what is left of it: ``OUT/NAME.yaml`` into ``OUT/NAME``.
        launcher: starts them; it is closed at the end.
        jobs: how many trials run at once, 1 or more.
    """

    def __init__(
        self,
        study: optuna.Study,
        search: Search,
        out: Path,
        command: Callable[[str], Sequence[str]],
        launcher: Launcher,
        jobs: int,
    ) -> None:
        self._study, self._search, self._out = study, search, out
        self._command, self._launcher, self._jobs = command, launcher, jobs
        self._resumed = unfinished(study)
        self._running: list[_Running] = []
        self._stopped = False
        self._trials = 0

    def run(self, trials: int) -> None:
        """Run until all trials are over.

        Args:
            trials: how many to draw in all, those of earlier calls among them.

        Raises:
            Interrupted: the user stopped it; the same call goes on from there.
            VclError: the first trials all failed, or the launcher refuses them; as well.
        """
        self._trials, passed_on = trials, 0
        with closing(self._launcher), signals_noted() as signals:
            while True:
                if len(signals) > passed_on:
                    self._stopped, passed_on = True, len(signals)
                    for running in self._running:
                        running.stop()
                if not self._stopped:
                    self._start()
                if not self._running:
                    break
                self._running = [running for running in self._running if self._goes_on(running)]
                time.sleep(_INTERVAL if self._running else 0)
        known = self._study.get_trials(deepcopy=False)
        if self._stopped and (len(known) < trials or any(not trial.state.is_finished() for trial in known)):
            raise Interrupted("stopped")

    def _start(self) -> None:
        """Draw and start as many trials as there is room for, all at once."""
        started: list[_Running] = []
        while len(self._running) < self._jobs and (running := self._next()) is not None:
            self._running.append(running)
            if not running.folder.finished():  # It may have ended after the search was killed.
                started.append(running)
        jobs = [Job(running.name, tuple(self._command(running.name)), running.log) for running in started]
        for running, task in zip(started, self._launcher.start(jobs) if jobs else [], strict=True):
            running.task = task

    def _next(self) -> _Running | None:
        """The next trial whose config can run; those whose config is refused are told to the study."""
        while self._resumed or len(self._study.get_trials(deepcopy=False)) < self._trials:
            trial, settings = drawn(self._study, self._search, self._resumed.pop(0) if self._resumed else None)
            name = name_of(trial.number)
            try:
                config = self._search.config(settings)
            except ConfigError as error:
                trial.set_constraint(REFUSED, 1.0)
                self._tell(trial, TrialState.PRUNED, f"refused: {error}")
                continue
            log.info("%s: %s", name, " ".join(settings))
            write_whole(self._out / f"{name}.yaml", configs.to_yaml(config).encode())
            reported = set(self._study.get_trials(deepcopy=False)[trial.number].intermediate_values)
            return _Running(trial, RunFolder(self._out / name), self._out / LOGS / f"{name}.log", reported)
        return None

    def _goes_on(self, running: _Running) -> bool:
        """Tell the study what it does not know yet of a trial; whether its process goes on."""
        status = running.status()  # Before its rows are read: none is added after it.
        try:
            reason = None if running.told else self._falls_behind(running)
            if reason is not None:
                running.stop()
                self._tell(running.trial, TrialState.PRUNED, reason)
                running.told = True
            if status is not None and not running.told:
                self._conclude(running, status)
        except RunFolderError as error:
            running.stop()
            self._fail(running, str(error))
        return status is None

    def _falls_behind(self, running: _Running) -> str | None:
        """Report rows one after the other, as if each had been seen at once; why to stop before the last one."""
        matrix = running.folder.matrix()
        if matrix is None:
            return None
        last = len(matrix["videos"]) - 1
        for row, average in enumerate(averages(matrix, self._search.goal)):
            if average is None or row < max(running.reported, default=0):
                continue
            if row not in running.reported:
                running.trial.report(average, row)
                running.reported.add(row)
            if row < last and running.trial.should_prune():
                self._keep_spent(running, {"seconds": train_seconds(running.folder)})
                return f"stopped after session {row}: {self._search.goal.text(average)}"
        seconds, limit = train_seconds(running.folder), self._search.limit.get("seconds")
        if limit is None or seconds <= limit or len(matrix["rows"]) > last:
            return None
        self._keep_spent(running, {"seconds": seconds})
        return f"stopped after {seconds:.0f} s, above the limit"

    def _conclude(self, running: _Running, status: int) -> None:
        """Tell the study how a trial ended, unless it is to be taken up again."""
        if status == STOPPED or (status != 0 and self._stopped):  # Stopped while it loads, it ends by the signal.
            self._stopped = True
            return
        if status != 0 or not running.folder.finished():
            self._fail(running, running.tail.ending(status))
            return
        summary = summarise(running.folder)
        value = summary.averages[self._search.goal.name]
        if value is None:
            self._fail(running, f"{self._search.goal.label} is not defined for its frames")
            return
        self._keep_spent(running, {"stored_bytes": summary.stored_bytes, "seconds": summary.seconds})
        text = f"{self._search.goal.text(value)}, {summary.stored_bytes:,} bytes, {summary.seconds:.0f} s"
        self._tell(running.trial, TrialState.COMPLETE, text, value)

    def _keep_spent(self, running: _Running, spent: Mapping[str, float]) -> None:
        """Tell the study what a trial took, and by which share that is above the limit."""
        for name, amount in spent.items():
            running.trial.set_user_attr(name, amount)
            if name in self._search.limit:
                running.trial.set_constraint(name, amount / self._search.limit[name] - 1)

    def _fail(self, running: _Running, reason: str) -> None:
        running.told = True
        trials = self._study.get_trials(deepcopy=False)
        failed = sum(trial.state == TrialState.FAIL for trial in trials)
        if failed >= _FAILURES - 1 and not any(trial.intermediate_values for trial in trials):
            raise VclError(f"the first {_FAILURES} trials failed; {running.name}: {reason}")
        self._tell(running.trial, TrialState.FAIL, f"failed: {reason}")

    def _tell(self, trial: Trial, state: TrialState, text: str, value: float | None = None) -> None:
        trial.set_user_attr("ending", text)
        self._study.tell(trial, value, state=state)
        log.info("[%d/%d] %s: %s", trial.number + 1, self._trials, name_of(trial.number), text)
