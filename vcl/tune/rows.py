"""What the rows of a run so far say about its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from vcl.metrics.registry import Metric
from vcl.report.summary import session_matrix


def averages(matrix: Mapping[str, Any], metric: Metric) -> list[float | None]:
    """Mean quality of the videos so far, after each session that has a row.

    A cell that was not measured again, because hashes prove it unchanged, is the last one above it.

    Args:
        matrix: as ``RunFolder.matrix`` gives it.
        metric: of its cells.

    Returns:
        In the metric's unit; None where a video was not measured yet.
    """
    rows = session_matrix(matrix, metric.name).rows
    means: list[float | None] = []
    for session in range(len(rows)):
        cells = [_latest([row[video] for row in rows[video : session + 1]]) for video in range(session + 1)]
        measured = [cell for cell in cells if cell is not None]
        means.append(fmean(measured) if len(measured) == len(cells) else None)
    return means


def _latest(cells: Sequence[float | None]) -> float | None:
    return next((cell for cell in reversed(cells) if cell is not None), None)
