"""The session matrix as plain text."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from vcl.metrics.matrix import SessionMatrix
from vcl.report.summary import METRICS, label, measured, numbers_line, printable, session_matrix
from vcl.rundir import RunFolder


def matrix_text(folder: RunFolder, metric: str = "psnr") -> str:
    """Show the matrix of a run, its averages below.

    Args:
        folder: the run, finished or not.
        metric: psnr, ssim or ms_ssim.

    Raises:
        VclError: no session is measured yet, or there is no such metric.
    """
    matrix = measured(folder)
    run, method = printable(folder.path.name), label(folder.config().method)
    heading = f"{run}: {method}, {METRICS.get(metric, metric)} after each session"
    return "\n".join(filter(None, (heading, table_text(matrix, metric), proof_line(matrix))))


def proof_line(matrix: Mapping[str, Any]) -> str:
    """Say whether earlier videos still decode bit for bit, by the hashes of their frames.

    Empty where there is nothing to compare: after one session, or where all videos were learned at once.
    """
    rows, earlier = matrix["rows"], matrix["rows"][-1]["session"]
    if earlier == 0 or rows[0]["psnr"][0] is None:
        return ""
    latest = rows[-1]
    hashes = "sample_sha256" if latest["sha256"][0] is None else "sha256"
    changed = [j for j in range(earlier) if latest[hashes][j] != rows[j][hashes][j]]
    if changed and all(
        rows[j].get("machine") != latest.get("machine") and rows[j]["state_sha256"][j] == latest["state_sha256"][j]
        for j in changed
    ):
        names = ", ".join(matrix["videos"][j] for j in changed)
        return f"nothing forgotten: the numbers of all earlier videos are as sealed; sealed on another machine: {names}"
    if not changed:
        sampled = " (a sample of their frames)" if hashes == "sample_sha256" else ""
        return f"nothing forgotten: {earlier} of {earlier} earlier videos decode bit for bit as sealed{sampled}"
    if hashes == "sample_sha256":
        return f"changed: {', '.join(matrix['videos'][j] for j in changed)}"
    told = (f"{matrix['videos'][j]} {rows[j]['psnr'][j]:.2f} to {latest['psnr'][j]:.2f} dB" for j in changed)
    return f"changed: {', '.join(told)}"


def table_text(matrix: Mapping[str, Any], metric: str = "psnr", width: int = 100) -> str:
    """Lay out a matrix: a row a session, a column a video, the mean of the videos so far at the end.

    Videos that are still to come stand in brackets. Where the table would be wider than ``width``, columns have the
    numbers of their sessions in the place of names, and cells a digit less.

    Args:
        matrix: as ``RunFolder.matrix`` gives it.
        metric: a key of ``METRICS``.
        width: characters.
    """
    numbers = session_matrix(matrix, metric)
    if not numbers.defined:
        learned = session_matrix(matrix, "psnr").defined
        why = f"n/a for frames of {' x '.join(map(str, matrix['size']))} pixels" if learned else "not measured yet"
        return f"{METRICS[metric]} is {why}"
    digits = 2 if metric == "psnr" else 3
    text = plain(_table(matrix["videos"], numbers, digits))
    if text.index("\n") > width:
        text = plain(_table(matrix["videos"], numbers, digits - 1, narrow=True))
    notes = ["(in brackets: still to come, decoded with the latest session's mask)"] if _to_come(numbers) else []
    return "\n".join([text, *notes, numbers_line(numbers, metric)])


def _to_come(numbers: SessionMatrix) -> bool:
    """Tell whether there are numbers above the diagonal."""
    return any(cell is not None for s, row in enumerate(numbers.rows) for cell in row[s + 1 :])


def _table(videos: Sequence[str], numbers: SessionMatrix, digits: int, narrow: bool = False) -> Table:
    brackets = _to_come(numbers)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=0 if narrow else (0, 1))
    table.add_column("after session", no_wrap=True)
    for name in (*(map(str, range(len(videos))) if narrow else videos), "mean"):
        table.add_column(name, justify="right", no_wrap=True)
    for s, row in enumerate(numbers.rows):
        cells = ["" if cell is None else f"{cell:.{digits}f}" for cell in row]
        # The space keeps numbers without brackets in line with those that have them.
        shown = [f"({cell})" if cell and j > s else f"{cell}{' ' * brackets}" for j, cell in enumerate(cells)]
        mean = SessionMatrix(numbers.rows[: s + 1]).average()
        table.add_row(f"{s} {videos[s]}", *shown, "" if mean is None else f"{mean:.{digits}f}")
    return table


def plain(table: Table) -> str:
    """Render a table as text without colours, as wide as it needs to be; its words stand as they are."""
    file = io.StringIO()
    console = Console(
        file=file,
        width=10_000,
        color_system=None,
        force_terminal=False,
        force_jupyter=False,
        markup=False,
        emoji=False,
    )
    console.print(table)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())
