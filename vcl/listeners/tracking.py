"""A run on Weights & Biases and on TensorBoard: its events become numbers, tables and pictures, the same for both.

Every number comes from an event that the run folder has too. What a sink lacks of a run that goes on is therefore
written from these events, and what it has is not written again.

Nothing here ends training: whatever a sink raises, the run continues without it, after one warning.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from vcl.config import RunConfig
from vcl.listeners.sink import AXES, Picture, Sink, Table, Value, one_line
from vcl.listeners.tensorboard import open_tensorboard
from vcl.listeners.wandb import open_wandb
from vcl.metrics.registry import METRICS, PSNR
from vcl.report.figures.frames import frames_figure, saved_frame
from vcl.report.figures.run import matrix_figure, shares_of
from vcl.report.figures.style import figure_bytes
from vcl.report.summary import label, read_matrix, session_matrix
from vcl.rundir import Event, RunFolder

log = logging.getLogger(__name__)

_OPENERS: Mapping[str, tuple[str, Callable[[RunFolder, RunConfig, Path | None], Sink | None]]] = {
    "wandb": ("W&B", open_wandb),
    "tensorboard": ("TensorBoard", open_tensorboard),
}
"""By the name in ``track``, the title of a sink and what opens it."""


def open_tracking(folder: RunFolder, config: RunConfig, grid: Path | None = None) -> Tracking:
    """Open the listener that feeds what a config names in ``track``.

    Args:
        folder: the run.
        config: its config.
        grid: folder of the grid that the run is a cell of.
    """
    sinks = []
    for title, opened in (_OPENERS[name] for name in config.track):
        try:
            sink = opened(folder, config, grid)
        except Exception as error:
            log.warning("%s does not start, the run goes on without it: %s", title, one_line(error))
        else:
            sinks += [] if sink is None else [sink]
    return Tracking(folder, config, sinks)


def log_figures(
    folder: RunFolder, config: RunConfig, figures: Mapping[str, Figure], numbers: Mapping[str, float]
) -> list[str]:
    """Add figures and numbers to a run, beside what its training has logged, at its last session.

    Args:
        folder: the run, which need not be finished.
        config: its config; ``track`` says where they go.
        figures: by name, such as ``statistics/spectra``.
        numbers: by name, in the same way.

    Returns:
        How to look at them, one line for each sink that says so; what cannot be written is only warned of.
    """
    tracking = open_tracking(folder, config)
    try:
        tracking.add(figures, numbers)
    finally:
        tracking.close()
    return tracking.hints


class Tracking:
    """Writes the events of a run to sinks, until the run ends; those before that the sinks lack at once.

    Args:
        folder: the run.
        config: its config.
        sinks: open ones, which are closed with this.
    """

    def __init__(self, folder: RunFolder, config: RunConfig, sinks: Sequence[Sink]) -> None:
        self.hints = [sink.hint for sink in sinks if sink.hint is not None]
        """How to look at the run, one line for each sink that has one."""
        self._folder = folder
        self._title = label(config.method)
        self._steps: dict[int, int] = {}
        self._sinks = list(sinks)
        try:
            earlier = folder.events() if sinks else []
        except Exception as error:
            self._give_up(self._sinks, error)
            return
        last_row = max((index for index, event in enumerate(earlier) if event["kind"] == "row"), default=-1)
        for index, event in enumerate(earlier):
            # Pictures of the rows before the last would take long and show little.
            self._log(event, pictures=index == last_row)

    def __call__(self, event: Event) -> None:
        """Log an event of the run; the event of its end closes the sinks."""
        self._log(event, pictures=True)
        if event["kind"] == "end":
            self.close()

    def add(self, figures: Mapping[str, Figure], numbers: Mapping[str, float]) -> None:
        """Write figures and numbers that belong to no event, at the last session; as ``log_figures``."""
        if self._sinks:
            pictures = {name: _picture(figure) for name, figure in figures.items()}
            last = max(self._folder.sessions() - 1, 0)
            self._write(self._sinks, AXES["statistics"], last, {**pictures, **numbers})

    def close(self) -> None:
        """Close the sinks; a second call does nothing."""
        sinks, self._sinks = self._sinks, []
        for sink in sinks:
            try:
                sink.close()
            except Exception as error:
                self._give_up([sink], error)

    def _log(self, event: Event, pictures: bool) -> None:
        kind = "scratch" if event.get("scratch") else event["kind"]
        if kind not in AXES or not self._sinks:
            return
        axis, position = AXES[kind], event["session"]
        if kind == "epoch":
            self._steps[event["session"]] = event["steps"]
            position = event["step"] + sum(steps for s, steps in self._steps.items() if s < event["session"])
        behind = [sink for sink in self._sinks if position > sink.logged.get(axis, -1)]
        if not behind:
            return
        try:
            values = self._values(kind, event, pictures)
        except Exception as error:
            self._give_up(behind, error)
        else:
            self._write(behind, axis, position, values)

    def _write(self, sinks: Sequence[Sink], axis: str, position: int, values: Mapping[str, Value]) -> None:
        for sink in list(sinks):
            sink.logged[axis] = position
            try:
                sink.write(axis, position, values)
            except Exception as error:
                self._give_up([sink], error)

    def _give_up(self, sinks: Sequence[Sink], error: Exception) -> None:
        for sink in list(sinks):
            log.warning("%s stopped, the run goes on without it: %s", sink.title, one_line(error))
        self._sinks = [sink for sink in self._sinks if sink not in sinks]

    def _values(self, kind: str, event: Event, pictures: bool) -> dict[str, Value]:
        if kind == "epoch":
            return {f"train/{key}": event[key] for key in ("loss", "psnr", "lr")}
        if kind == "session":
            return _shares(event["layers"])
        if kind == "row":
            matrix = _matrix_after(self._folder, event["session"])
            return row_values(matrix) | (self._pictures(matrix) if pictures else {})
        return {f"{AXES[kind].split('/')[0]}/psnr": event["psnr"]}

    def _pictures(self, matrix: dict[str, Any]) -> dict[str, Value]:
        """Figures of the matrix and of the new video's middle frame, which the run saved: nothing is decoded here."""
        session = len(matrix["rows"]) - 1
        if matrix["rows"][-1]["psnr"][session] is None:  # The video waits for the last.
            return {}
        name = matrix["videos"][session]
        pictures: dict[str, Value] = {}
        try:
            pictures["matrix/figure"] = _picture(matrix_figure(matrix, "psnr", self._title))
            panel = saved_frame(self._folder, session, name)
            title = f"{self._title}: {name} after session {session}"
            pictures[f"frames/{name}"] = _picture(frames_figure([panel], title))
        except Exception as error:
            titles = " and ".join(sink.title for sink in self._sinks)
            log.warning("%s: no frames of session %d: %s", titles, session, one_line(error))
        return pictures


def row_values(matrix: Mapping[str, Any]) -> dict[str, Value]:
    """The numbers of a matrix after its last row, and the matrix as a table.

    Args:
        matrix: as ``read_matrix`` gives it, with one row or more.
    """
    session = len(matrix["rows"]) - 1
    values: dict[str, Value] = {}
    for metric in METRICS:
        numbers = session_matrix(matrix, metric)
        cells = zip(matrix["videos"], numbers.rows[-1][: session + 1], strict=False)
        values |= {f"matrix/{metric}/{name}": cell for name, cell in cells if cell is not None}
        if metric == PSNR.name:
            transfer = {"bwt": numbers.backward_transfer(), "forgetting": numbers.forgetting()}
            values |= {f"matrix/{name}": value for name, value in transfer.items() if value is not None}
        if (average := numbers.average()) is not None:
            values["matrix/average" if metric == PSNR.name else f"matrix/average_{metric}"] = average
    rows = [[row["session"], *row["psnr"]] for row in matrix["rows"]]
    values["matrix/table"] = Table(["after session", *matrix["videos"]], rows)
    return values


def _matrix_after(folder: RunFolder, session: int) -> dict[str, Any]:
    """The matrix as it was after a session."""
    latest = read_matrix(folder)
    assert latest is not None, "the event of a row follows its place in the matrix"
    return {**latest, "rows": latest["rows"][: session + 1]}


def _shares(layers: Sequence[Mapping[str, Any]]) -> dict[str, Value]:
    return {
        f"shares/{layer['name']}/{name.replace(' ', '_')}": share
        for layer in layers
        for name, share in shares_of(layer).items()
    }


def _picture(figure: Figure) -> Picture:
    return Picture(figure_bytes(figure, "png"))
