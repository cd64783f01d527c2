"""What a run tells while it goes: bars on a terminal, a line now and then elsewhere."""

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

if TYPE_CHECKING:
    from vcl.rundir import Event, Listener

log = logging.getLogger(__name__)

_LINES = 10
"""Lines on the epochs of a session, at most, where there is no terminal."""


class Progress:
    """Tells how far a run is; a listener, to be entered before the run and left after it.

    On a terminal it shows how far the run and its session are, with the time left for each, and a line that stays for
    each measured session. Elsewhere it logs a line when a session begins, ends and is measured, and for every
    tenth of its epochs.

    Args:
        console: where to; default standard error.
        quiet: tell nothing at all.
        epochs: what the recipe asks for; the first session that makes fewer has a line that says why.
    """

    def __init__(self, console: Console | None = None, quiet: bool = False, epochs: int = 0) -> None:
        self._console = console or Console(stderr=True, markup=False, emoji=False)
        self._quiet = quiet
        self._epochs = epochs
        self._tell: Listener = _nothing
        self._open = ExitStack()

    def __enter__(self) -> Progress:
        if self._quiet:
            self._tell = _nothing
        elif self._console.is_terminal:
            self._tell = self._open.enter_context(_bars(self._console))
        else:
            self._tell = _Lines()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def __call__(self, event: Event) -> None:
        """Take an event of the run."""
        if not self._quiet and event["kind"] in ("step", "epoch") and event["epochs"] < self._epochs:
            log.info(
                "session %d makes %d of %d epochs, for the same work: its steps also train on earlier videos",
                event["session"],
                event["epochs"],
                self._epochs,
            )
            self._epochs = 0  # Once a run is enough.
        self._tell(event)


@contextmanager
def counting(console: Console | None = None) -> Iterator[Callable[[str, int, int | None], None]]:
    """Tell how far a row of jobs is, each of so many frames: a line for each, and on a terminal a bar of the latest.

    Args:
        console: where to; default standard error.

    Yields:
        To be told a job's name, how many frames are done, and of how many if that is known.
    """
    console = console or Console(stderr=True, markup=False, emoji=False)
    with ExitStack() as stack:
        bars = stack.enter_context(_open_bars(console)) if console.is_terminal else None
        task: TaskID | None = None
        now: tuple[str, int] | None = None

        def finish() -> None:
            if now is not None:
                log.info("%s: %d frames", *now)

        def move(name: str, done: int, of: int | None) -> None:
            nonlocal now, task
            begins = now is None or now[0] != name
            if begins:
                finish()
            now = name, done
            if bars is None:
                return
            if begins and task is not None:
                bars.remove_task(task)
            if begins or task is None:
                task = bars.add_task(name, total=of, info="")
            bars.update(task, completed=done, info=f"{done} frames")

        yield move
        finish()


def _nothing(_: Event) -> None:
    """Tell nothing."""


class _Lines:
    """Logs what is worth a line."""

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
            going_on = "going on: " if event["resumed"] else ""
            log.info("%s%s: %s", going_on, _counted(len(self._names), "session"), ", ".join(self._names))
        elif kind == "epoch" and _worth_a_line(event["epoch"], event["epochs"]):
            log.info(
                "%s: epoch %d of %d, %.2f dB, loss %.4g, %.0f s",
                _named(event["session"], self._names),
                event["epoch"] + 1,
                event["epochs"],
                event["psnr"],
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
    """Whether another tenth of the epochs is over."""
    return _LINES * (epoch + 1) // epochs > _LINES * epoch // epochs


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
    # A slow clock: drawing competes with training for the processor. Finished bars give way to what is said after.
    bars = Bars(*columns, console=console, refresh_per_second=4, speed_estimate_period=120, transient=True)
    stderr = sys.stderr
    with bars, _logging_through(stderr):
        yield bars


@contextmanager
def _logging_through(before: TextIO) -> Iterator[None]:
    """Send what is logged to ``before`` to what has taken its place, so that bars are not drawn over it."""
    handlers = [
        handler
        for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream is before
    ]
    for handler in handlers:
        handler.setStream(sys.stderr)
    try:
        yield
    finally:
        for handler in handlers:
            handler.setStream(before)


class _Bars:
    """Moves two bars, of the run and of its session."""

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
            self._move(event)
        elif kind == "session" and self._tasks is not None:
            self._bars.update(self._tasks[1], info="decoding all videos")
        elif kind == "row":
            self._bars.console.print(_row_line(event, self._names), highlight=False, markup=False, emoji=False)

    def _move(self, event: Event) -> None:
        session, step, steps = event["session"], event["step"], event["steps"]
        done = session + step / steps
        # Bars begin with the first step: what a resumed run has behind it must not count as speed.
        if self._tasks is None:
            self._tasks = (
                self._bars.add_task("run", total=len(self._names), completed=done, info=""),
                self._bars.add_task("", total=steps, info=""),
            )
        run, current = self._tasks
        if session != self._session:
            self._session = session
            description = _named(session, self._names)
            self._bars.reset(current, total=steps, completed=step, description=description, info="")
        self._bars.update(run, completed=done, info=f"{session} of {len(self._names)} sessions closed")
        self._bars.update(current, completed=step)
        if event["kind"] == "epoch":
            info = f"epoch {event['epoch'] + 1}/{event['epochs']}  {event['psnr']:.2f} dB"
            self._bars.update(current, info=info)


def _named(session: int, names: Sequence[str]) -> str:
    return f"session {session} {names[session]}" if session < len(names) else f"session {session}"


def _session_line(event: Event, names: Sequence[str]) -> str:
    total = sum(layer["total"] for layer in event["layers"])
    free = sum(layer["free"] for layer in event["layers"])
    capacity = f", {100 * free / total:.0f} % of the weights are free" if total else ""
    return f"{_named(event['session'], names)}: trained in {event['seconds']:.0f} s{capacity}"


def _row_line(event: Event, names: Sequence[str]) -> str:
    session = event["session"]
    so_far = event["psnr"][: session + 1]
    whole = session and None not in so_far
    if so_far[-1] is None:
        return f"{_named(session, names)}: waits for the last video"
    average = f", average {fmean(so_far):.2f} dB over {len(so_far)} videos" if whole else ""
    return f"{_named(session, names)}: {so_far[-1]:.2f} dB{average}"
