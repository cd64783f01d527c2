"""All figures of a run, from its folder."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from vcl.errors import VclError
from vcl.metrics.registry import METRICS
from vcl.report.classical import ClassicalPoint
from vcl.report.comparison import group_seeds, run_names
from vcl.report.figures.budget import budget_figure
from vcl.report.figures.capacity import capacity_figure
from vcl.report.figures.comparison import bytes_figure, forgetting_figure, seconds_figure, sessions_figure
from vcl.report.figures.frames import first_video, frames_figure, latest_frames, side_by_side_figure
from vcl.report.figures.rate import rate_figure
from vcl.report.figures.run import curves_figure, matrix_figure, shares_figure
from vcl.report.figures.style import write_figure
from vcl.report.rates import capacity_curves, rate_curves
from vcl.report.stored import footprint_of
from vcl.report.summary import label, measured, read_matrix, session_matrix, summarise
from vcl.rundir import RunFolder
from vcl.wording import printable

log = logging.getLogger(__name__)

_MOST_SIDE_BY_SIDE = 6
"""With more runs than this, their frames would be too small beside one another."""


def plot_run(folder: RunFolder) -> list[Path]:
    """Draw the figures of a run as PNG and PDF, into its ``figures`` folder.

    Figures without data are left out; so are those of frames, with a warning, if the run saved none and its videos are
    gone.

    Args:
        folder: the run, finished or not.

    Returns:
        Paths of the files, two per figure.

    Raises:
        VclError: there is nothing to draw yet, or the folder is damaged.
    """
    paths = [path for name, figure in _figures(folder) for path in write_figure(figure, folder.figures, name)]
    if not paths:
        raise VclError(f"{folder.path} has nothing to draw yet: its first epoch is not over")
    return paths


def plot_comparison(folders: Sequence[RunFolder], into: Path, classical: Sequence[ClassicalPoint] = ()) -> list[Path]:
    """Draw figures that compare runs, as PNG and PDF; runs that differ only in their seed are one group.

    Args:
        folders: the runs, of one stream.
        into: folder of the figures.
        classical: points of classical codecs on the same stream.

    Returns:
        Paths of the files, two per figure.

    Raises:
        VclError: a run has nothing to draw yet, or they do not have the same videos.
    """
    groups = group_seeds(folders, names := run_names(folders))
    by_name = dict(zip(names, folders, strict=True))
    matrices = {name: [measured(by_name[member]) for member in members] for name, members in groups.items()}
    streams = {tuple(matrix["videos"][: len(matrix["rows"])]) for runs in matrices.values() for matrix in runs}
    if len(streams) > 1:
        rule = "have learned the same videos in the same order"
        raise VclError(f"runs in one figure must {rule}, got {' and '.join(map(' '.join, sorted(streams)[:2]))}")
    (videos,) = streams
    summaries = {name: [summarise(by_name[member]) for member in members] for name, members in groups.items()}
    points = {
        name: [(run.stored_bytes, run.psnr) for run in runs if run.psnr is not None] for name, runs in summaries.items()
    }
    figures = {
        "psnr_by_session": sessions_figure(matrices),
        "psnr_by_bytes": bytes_figure({name: runs for name, runs in points.items() if runs}),
        "psnr_by_rate": rate_figure(rate_curves(summaries), classical),
        "forgetting": forgetting_figure(matrices),
    }
    if by_capacity := capacity_curves(summaries):
        figures["psnr_by_capacity"] = capacity_figure(by_capacity)
    curves = {name: [by_name[member].events("epoch") for member in members] for name, members in groups.items()}
    if any(events for runs in curves.values() for events in runs):
        figures["psnr_by_seconds"] = seconds_figure(curves, videos)
    if len(groups) > _MOST_SIDE_BY_SIDE:
        log.info("frames are not drawn side by side: there are more than %d runs", _MOST_SIDE_BY_SIDE)
    first = {name: by_name[members[0]] for name, members in groups.items()}
    if 1 < len(groups) <= _MOST_SIDE_BY_SIDE and all(_has_learned(matrix) for matrix in map(measured, first.values())):
        with _left_out("figures of frames"):
            panels = {name: latest_frames(run, len(measured(run)["rows"]) - 1) for name, run in first.items()}
            figures["frames"] = side_by_side_figure(panels)
    return [path for name, figure in figures.items() for path in write_figure(figure, into, name)]


def _has_learned(matrix: Mapping[str, Any]) -> bool:
    """Whether the latest video is measured, and not one of those that are learned together, after the last session."""
    return matrix["rows"][-1]["psnr"][len(matrix["rows"]) - 1] is not None


def _figures(folder: RunFolder) -> Iterator[tuple[str, Figure]]:
    """Draw the figures one at a time, so that only one is in memory."""
    title = label(folder.config().method)
    matrix = read_matrix(folder)
    epochs, sessions = folder.events("epoch"), folder.events("session")
    if epochs:
        videos = {event["session"]: printable(event["video"]) for event in (*epochs, *sessions) if "video" in event}
        names = (
            matrix["videos"] if matrix else [videos.get(s, f"session {s}") for s in range(max(videos, default=-1) + 1)]
        )
        yield "curves", curves_figure(epochs, names, title)
    if any(event["layers"] for event in sessions):
        yield "shares", shares_figure(sessions, title)
    if matrix is None or not matrix["rows"]:
        return
    with _left_out("figures of the bit budget"):
        yield "budget", budget_figure(footprint_of(folder), title)
    for metric in METRICS:
        if session_matrix(matrix, metric).defined:
            yield f"matrix_{metric}", matrix_figure(matrix, metric, title)
    if not _has_learned(matrix):
        return
    with _left_out("figures of frames"):
        yield from _frame_figures(folder, matrix, title)


@contextmanager
def _left_out(figures: str) -> Iterator[None]:
    """Go on without figures that cannot be drawn."""
    try:
        yield
    except VclError as error:
        log.warning("%s are left out: %s", figures, error)


def _frame_figures(folder: RunFolder, matrix: Mapping[str, Any], title: str) -> Iterator[tuple[str, Figure]]:
    state = len(matrix["rows"]) - 1
    panels = latest_frames(folder, state)
    yield "frames", frames_figure(panels, f"{title}: middle frames after session {state}")
    if state > 0 and matrix["rows"][0]["psnr"][0] is not None:
        before_and_after = first_video(folder, state, panels[0])
        yield "first_video", frames_figure(before_and_after, f"{title}: the first video, {panels[0].label}")
