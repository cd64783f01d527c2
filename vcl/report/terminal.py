"""The session matrix as plain text."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vcl.metrics.matrix import SessionMatrix
from vcl.metrics.registry import METRICS, PSNR
from vcl.report.proof import checks_of
from vcl.report.summary import label, measured, numbers_line, session_matrix
from vcl.rundir import RunFolder
from vcl.wording import printable

WIDTH = 100
"""Columns where the width of the terminal is unknown."""

_NAME_WIDTH = 24
"""Columns of a video's name at most, where a table with full names would be too wide."""

_TO_COME = {
    "shared_masked": "decoded with the latest session's mask",
    "shared_latest": "decoded with the latest network",
    "per_session": "decoded with the network of the latest video",
    "differences": "decoded with the network of the latest video",
}
"""What decodes the videos still to come, by what the method stores per session."""


def matrix_text(folder: RunFolder, metric: str = "psnr", width: int = WIDTH) -> str:
    """The matrix of a run as text, with its averages below.

    Args:
        folder: the run, finished or not.
        metric: a key of ``METRICS``.
        width: columns of the terminal; no line is longer.

    Raises:
        VclError: no session is measured yet, or there is no such metric.
    """
    matrix = measured(folder)
    run, method = printable(folder.path.name), label(folder.config().method)
    table = table_text(matrix, metric, width, folder.session_notes(0).state_kind, folder.path / "matrix.csv")
    heading = f"{run}: {method}, {METRICS[metric].label} after each session"
    return "\n".join(filter(None, (_wrapped(heading, width), table, _wrapped(proof_line(matrix), width))))


def proof_line(matrix: Mapping[str, Any]) -> str:
    """Whether earlier videos still decode bit for bit, by the hashes of their frames.

    Empty where there is nothing to compare: after one session, or where all videos were learned at once.

    Args:
        matrix: as ``RunFolder.matrix`` returns it, with a row at least.
    """
    rows, earlier = matrix["rows"], matrix["rows"][-1]["session"]
    if earlier == 0 or rows[0]["psnr"][0] is None:
        return ""
    checks = {j: checks_of(rows, j)[-1] for j in range(earlier)}
    changed = [j for j, check in checks.items() if not check.equal]
    if any(checks[j].kind == "sample" for j in changed):
        return f"changed: {_listed(matrix['videos'][j] for j in changed)}"
    if changed:
        return "changed: " + _listed(
            f"{matrix['videos'][j]} {rows[j]['psnr'][j]:.2f} to {PSNR.text(rows[-1]['psnr'][j])}" for j in changed
        )
    if moved := [matrix["videos"][j] for j, check in checks.items() if check.kind == "numbers"]:
        same = "the numbers of all earlier videos are as sealed"
        return f"nothing forgotten: {same}; sealed on another machine: {_listed(moved)}"
    sampled = " (a sample of their frames)" if checks[0].kind == "sample" else ""
    return f"nothing forgotten: {earlier} of {earlier} earlier videos decode bit for bit as sealed{sampled}"


def table_text(
    matrix: Mapping[str, Any],
    metric: str = "psnr",
    width: int = WIDTH,
    state_kind: str = "shared_masked",
    csv: str | Path = "matrix.csv",
) -> str:
    """Lay out a matrix: one row per session, one column per video, the mean of the videos so far at the end.

    Videos still to come are in brackets. Where the table would be wider than ``width``, columns are headed by the
    number of the session instead of the video's name, and cells have one digit less; if that is not enough, videos
    still to come are left out; at last there is one row per video instead, with its cell after its own session, its
    latest cell and their difference.

    Args:
        matrix: as ``RunFolder.matrix`` returns it.
        metric: a key of ``METRICS``.
        width: columns; no line is longer.
        state_kind: what the method stores per session, as in ``SessionNotes``.
        csv: file with every cell, named below a table that does not show them all.
    """
    numbers = session_matrix(matrix, metric)
    if not numbers.defined:
        return f"{METRICS[metric].label} is {_why_undefined(matrix, metric)}"
    digits = METRICS[metric].cell_digits
    elsewhere = f"(every cell: {csv})"
    in_brackets = f"(in brackets: still to come, {_TO_COME[state_kind]})" if _to_come(numbers) else ""
    lower = SessionMatrix.of([[*row[: s + 1], *[None] * len(row[s + 1 :])] for s, row in enumerate(numbers.rows)])
    layouts = [
        (_table(matrix["videos"], numbers, digits), in_brackets),
        (_table(matrix["videos"], numbers, digits - 1, narrow=True), in_brackets),
        (_table(matrix["videos"], lower, digits - 1, narrow=True), elsewhere),
        (_rows_of_videos(matrix["videos"], numbers, digits, width), elsewhere),
    ]
    fitting = (layout for layout in layouts if max(map(cell_len, plain(layout[0]).splitlines())) <= width)
    table, note = next(fitting, layouts[-1])
    notes = (_wrapped(line, width) for line in (note, numbers_line(numbers, metric)))
    return "\n".join(filter(None, (plain(table), *notes)))


def _why_undefined(matrix: Mapping[str, Any], metric: str) -> str:
    """Why a metric has no cells: no video is learned, the run is older than the metric, or the frames are too small."""
    if not session_matrix(matrix, PSNR.name).defined:
        return "not measured yet"
    if not any(metric in row for row in matrix["rows"]):
        return "not measured in this run"
    return f"n/a for frames of {' x '.join(map(str, matrix['size']))} pixels"


def _to_come(numbers: SessionMatrix) -> bool:
    """Whether there are cells above the diagonal."""
    return any(cell is not None for s, row in enumerate(numbers.rows) for cell in row[s + 1 :])


def _table(videos: Sequence[str], numbers: SessionMatrix, digits: int, narrow: bool = False) -> Table:
    has_brackets = _to_come(numbers)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=0 if narrow else (0, 1))
    table.add_column("after session", no_wrap=True)
    for name in (*(map(str, range(len(videos))) if narrow else videos), "mean"):
        table.add_column(name, justify="right", no_wrap=True)
    for s, row in enumerate(numbers.rows):
        cells = ["" if cell is None else f"{cell:.{digits}f}" for cell in row]
        # The space aligns numbers without brackets with those that have them.
        bracketed = [f"({cell})" if cell and j > s else f"{cell}{' ' * has_brackets}" for j, cell in enumerate(cells)]
        mean = SessionMatrix(numbers.rows[: s + 1]).average()
        name = f"{s} {videos[s]}"
        mean_text = "" if mean is None else f"{mean:.{digits}f}"
        table.add_row(_cut(name, _NAME_WIDTH) if narrow else name, *bracketed, mean_text)
    return table


def _rows_of_videos(videos: Sequence[str], numbers: SessionMatrix, digits: int, width: int) -> Table:
    """One row per learned video: its cell after its own session, its latest cell, the difference."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    last = len(numbers.rows) - 1
    headings = ("learned", f"after {last}", "change")
    table.add_column("session", no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for j, now in enumerate(numbers.rows[-1][: last + 1]):
        learned = numbers.rows[j][j]
        change = None if now is None or learned is None else now - learned
        cells = ("" if cell is None else f"{cell:.{digits}f}" for cell in (learned, now, change))
        table.add_row(_cut(f"{j} {videos[j]}", width - sum(len(heading) + 3 for heading in headings)), *cells)
    return table


def _cut(name: str, columns: int) -> str:
    """Cut a name to a number of columns; wide characters, as in Chinese names, take two."""
    return name if cell_len(name) <= columns else set_cell_size(name, columns - 1).rstrip() + "…"


def _listed(names: Iterable[str], most: int = 3) -> str:
    """The first few names, and how many more there are."""
    names = list(names)
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def _wrapped(line: str, width: int) -> str:
    lines = Text(line).wrap(_console(io.StringIO(), width), width)
    return "\n".join(part.plain.rstrip() for part in lines)


def plain(table: Table) -> str:
    """Render a table as text, without colours or markup and as wide as it needs to be."""
    file = io.StringIO()
    _console(file, 10_000).print(table)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())


def _console(file: io.StringIO, width: int) -> Console:
    return Console(
        file=file,
        width=width,
        color_system=None,
        force_terminal=False,
        force_jupyter=False,
        markup=False,
        emoji=False,
    )
