"""Progress of a run: bars on a terminal, otherwise a line in the log now and then."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from statistics import fmean
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.progress import BarColumn, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from vcl.metrics.registry import PSNR

if TYPE_CHECKING:
    from vcl.rundir import Event, Listener

log = logging.getLogger(__name__)

_MOST_LINES = 10
"""Lines about the epochs of a session at most, where there is no terminal."""


class Progress:
    """Listener that shows the progress of a run; a context manager, to be entered before the run.

    On a terminal it shows a bar for the run and one for its session, with the time left for each, and prints a line
    for each measured session. Elsewhere it logs a line when a session begins, ends and is measured, and for every
    tenth of its epochs.

    Args:
        console: where to show it; default standard error.
        quiet: show nothing.
        epochs: of the recipe; a line explains the first session that makes fewer.
    """

    def __init__(self, console: Console | None = None, quiet: bool = False, epochs: int = 0) -> None:
        self._console = console or Console(stderr=True, markup=False, emoji=False)
        self._quiet = quiet
        self._epochs = epochs
        self._show: Listener = _ignore
        self._open = ExitStack()

    def __enter__(self) -> Progress:
        if self._quiet:
            self._show = _ignore
        elif self._console.is_terminal:
            self._show = self._open.enter_context(_bars(self._console))
        else:
            self._show = _Lines()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def __call__(self, event: Event) -> None:
        """Show an event of the run."""
        if not self._quiet and event["kind"] in ("step", "epoch") and event["epochs"] < self._epochs:
            log.info(
                "session %d makes %d of %d epochs, for the same work: its steps also train on earlier videos",
                event["session"],
                event["epochs"],
                self._epochs,
            )
            self._epochs = 0  # Once per run is enough.
        self._show(event)


@contextmanager
def counting(console: Console | None = None) -> Iterator[Callable[[str, int, int | None], None]]:
    """Count the frames of several jobs, one after another: a line for each, and on a terminal a bar for the latest.

    Args:
        console: where to show it; default standard error.

    Yields:
        A function to call with the name of a job, its frames so far, and their total or None if unknown.
    """
    console = console or Console(stderr=True, markup=False, emoji=False)
    with ExitStack() as stack:
        bars = stack.enter_context(_open_bars(console)) if console.is_terminal else None
        task: TaskID | None = None
        job: tuple[str, int] | None = None

        def finish() -> None:
            if job is not None:
                log.info("%s: %d frames", *job)

        def update(name: str, frames: int, total: int | None) -> None:
            nonlocal job, task
            is_new = job is None or job[0] != name
            if is_new:
                finish()
            job = name, frames
            if bars is None:
                return
            if is_new and task is not None:
                bars.remove_task(task)
            if is_new or task is None:
                task = bars.add_task(name, total=total, info="")
            bars.update(task, completed=frames, info=f"{frames} frames")

        yield update
        finish()


def _ignore(_: Event) -> None:
    """Show nothing."""


class _Lines:
    """Logs the beginning, the end and the row of each session, and some of its epochs."""

    def __init__(self) -> None:
        self._names: Sequence[str] = ()
        self._session = -1

    def __call__(self, event: Event) -> None:
        kind = event["kind"]
        if kind in ("step", "epoch") and event["session"] != self._session:
            self._session = event["session"]
            steps, epochs = _counted(event["steps"], "step"), _counted(event["epochs"], "epoch")
            log.info("%s: %s in %s", _named(self._session, self._names), steps, epochs)
        if kind == "start":
            self._names = event["videos"]
            resumed = "resumed, " if event["resumed"] else ""
            log.info("%s%s: %s", resumed, _counted(len(self._names), "session"), ", ".join(self._names))
        elif kind == "epoch" and _worth_a_line(event["epoch"], event["epochs"]):
            log.info(
                "%s: epoch %d of %d, %s, loss %.4g, %.0f s",
                _named(event["session"], self._names),
                event["epoch"] + 1,
                event["epochs"],
                PSNR.text(event["psnr"]),
                event["loss"],
                event["seconds"],
            )
        elif kind == "session":
            log.info("%s", _session_line(event, self._names))
        elif kind == "row":
            log.info("%s", _row_line(event, self._names))


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _worth_a_line(epoch: int, epochs: int) -> bool:
    """Whether the epoch completes another tenth of all."""
    return _MOST_LINES * (epoch + 1) // epochs > _MOST_LINES * epoch // epochs


@contextmanager
def _bars(console: Console) -> Iterator[Listener]:
    with _open_bars(console) as bars:
        yield _Bars(bars)


@contextmanager
def _open_bars(console: Console) -> Iterator[Bars]:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        TaskProgressColumn(),
        TextColumn("{task.fields[info]}", markup=False),
        TimeRemainingColumn(),
    )
    # Refreshed slowly, as drawing competes with training for the processor; removed at the end.
    bars = Bars(*columns, console=console, refresh_per_second=4, speed_estimate_period=120, transient=True)
    stderr = sys.stderr
    with bars, _logging_through(stderr):
        yield bars


@contextmanager
def _logging_through(stderr: TextIO) -> Iterator[None]:
    """Redirect log handlers from ``stderr`` to the stream that has replaced it, which prints above the bars."""
    handlers = [
        handler
        for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream is stderr
    ]
    for handler in handlers:
        handler.setStream(sys.stderr)
    try:
        yield
    finally:
        for handler in handlers:
            handler.setStream(stderr)


class _Bars:
    """Updates two bars, of the run and of its session."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._names: Sequence[str] = ()
        self._tasks: tuple[TaskID, TaskID] | None = None
        self._session = -1

    def __call__(self, event: Event) -> None:
        kind = event["kind"]
        if kind == "start":
            self._names = event["videos"]
        elif kind in ("step", "epoch"):
            self._update(event)
        elif kind == "session" and self._tasks is not None:
            self._bars.update(self._tasks[1], info="decoding all videos")
        elif kind == "row":
            self._bars.console.print(_row_line(event, self._names), highlight=False, markup=False, emoji=False)

    def _update(self, event: Event) -> None:
        session, step, steps = event["session"], event["step"], event["steps"]
        sessions = session + step / steps
        # Bars begin with the first step, so that earlier steps of a resumed run do not count as speed.
        if self._tasks is None:
            self._tasks = (
                self._bars.add_task("run", total=len(self._names), completed=sessions, info=""),
                self._bars.add_task("", total=steps, info=""),
            )
        run, current = self._tasks
        if session != self._session:
            self._session = session
            description = _named(session, self._names)
            self._bars.reset(current, total=steps, completed=step, description=description, info="")
        self._bars.update(run, completed=sessions, info=f"{session} of {len(self._names)} sessions closed")
        self._bars.update(current, completed=step)
        if event["kind"] == "epoch":
            info = f"epoch {event['epoch'] + 1}/{event['epochs']}  {PSNR.text(event['psnr'])}"
            self._bars.update(current, info=info)


def _named(session: int, names: Sequence[str]) -> str:
    return f"session {session} {names[session]}" if session < len(names) else f"session {session}"


def _session_line(event: Event, names: Sequence[str]) -> str:
    total = sum(layer["total"] for layer in event["layers"])
    free = sum(layer["free"] for layer in event["layers"])
    capacity = f", {100 * free / total:.0f} % of the weights are free" if total else ""
    cost = ""
    if quantisation := event.get("quantisation"):
        cost = f", integers change it by {quantisation['psnr'] - quantisation['float_psnr']:+.2f} {PSNR.unit}"
    return f"{_named(event['session'], names)}: trained in {event['seconds']:.0f} s{capacity}{cost}"


def _row_line(event: Event, names: Sequence[str]) -> str:
    session = event["session"]
    so_far = event[PSNR.name][: session + 1]
    if so_far[-1] is None:
        return f"{_named(session, names)}: waits for the last video"
    line = f"{_named(session, names)}: {PSNR.text(so_far[-1])}"
    if session == 0 or None in so_far:
        return line
    return f"{line}, average {PSNR.text(fmean(so_far))} over {len(so_far)} videos"
