"""All figures of a run, from its folder."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from vcl.errors import VclError
from vcl.metrics.registry import METRICS
from vcl.report.comparison import grouped, names_of
from vcl.report.figures.comparison import bytes_figure, forgetting_figure, sessions_figure
from vcl.report.figures.frames import first_video, frames_figure, latest_frames
from vcl.report.figures.run import curves_figure, matrix_figure, shares_figure
from vcl.report.figures.style import write_figure
from vcl.report.summary import label, measured, read_matrix, session_matrix, summarise
from vcl.rundir import RunFolder
from vcl.wording import printable

log = logging.getLogger(__name__)


def plot_run(folder: RunFolder) -> list[Path]:
    """Draw what a run has so far, as PNG and as PDF, into its ``figures`` folder.

    What there is no data for yet is left out, and figures of frames are left out with a warning where the run kept no
    frames and its videos are gone.

    Args:
        folder: the run, finished or not.

    Returns:
        Paths of the files, a pair a figure.

    Raises:
        VclError: there is nothing to draw yet, or something in the folder is damaged.
    """
    paths = [path for name, figure in _figures(folder) for path in write_figure(figure, folder.figures, name)]
    if not paths:
        raise VclError(f"{folder.path} has nothing to draw yet: its first epoch is not over")
    return paths


def plot_comparison(folders: Sequence[RunFolder], into: Path) -> list[Path]:
    """Draw runs side by side, as PNG and as PDF; runs that differ in nothing but their seed are one.

    Args:
        folders: the runs, of one stream.
        into: folder of the figures.

    Returns:
        Paths of the files, a pair a figure.

    Raises:
        VclError: a run has nothing to draw yet, or they do not have the same videos.
    """
    groups = grouped(folders, names := names_of(folders))
    by_name = dict(zip(names, folders, strict=True))
    matrices = {name: [measured(by_name[member]) for member in members] for name, members in groups.items()}
    streams = {tuple(matrix["videos"][: len(matrix["rows"])]) for runs in matrices.values() for matrix in runs}
    if len(streams) > 1:
        rule = "have done the same videos in the same order"
        raise VclError(f"runs in one figure must {rule}, got {' and '.join(map(' '.join, sorted(streams)[:2]))}")
    points = {}
    for name, members in groups.items():
        found = [summarise(by_name[member]) for member in members]
        points[name] = [(summary.stored_bytes, summary.psnr) for summary in found if summary.psnr is not None]
    figures = {
        "psnr_by_session": sessions_figure(matrices),
        "psnr_by_bytes": bytes_figure({name: runs for name, runs in points.items() if runs}),
        "forgetting": forgetting_figure(matrices),
    }
    return [path for name, figure in figures.items() for path in write_figure(figure, into, name)]


def _figures(folder: RunFolder) -> Iterator[tuple[str, Figure]]:
    """Draw one figure after the other, so that only one is in memory."""
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
    for metric in METRICS:
        if session_matrix(matrix, metric).defined:
            yield f"matrix_{metric}", matrix_figure(matrix, metric, title)
    if matrix["rows"][-1]["psnr"][len(matrix["rows"]) - 1] is None:
        return  # Nothing is learned yet.
    try:
        yield from _frame_figures(folder, matrix, title)
    except VclError as error:
        log.warning("figures of frames are left out: %s", error)


def _frame_figures(folder: RunFolder, matrix: Mapping[str, Any], title: str) -> Iterator[tuple[str, Figure]]:
    state = len(matrix["rows"]) - 1
    shown = latest_frames(folder, state)
    yield "frames", frames_figure(shown, f"{title}: middle frames after session {state}")
    if state > 0 and matrix["rows"][0]["psnr"][0] is not None:
        before_and_after = first_video(folder, state, shown[0])
        yield "first_video", frames_figure(before_and_after, f"{title}: the first video, {shown[0].label}")
