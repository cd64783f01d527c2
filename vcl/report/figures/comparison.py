"""Figures that compare runs: quality by session, against bytes and against seconds, and forgetting."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product
from statistics import fmean, stdev
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation, Text
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from matplotlib.transforms import BboxBase

from vcl.metrics.registry import PSNR
from vcl.report.figures.style import DIM, GREY, MARKERS, styled

Matrices = Mapping[str, Sequence[Mapping[str, Any]]]
"""By the name of a group, ``matrix.json`` of each of its runs."""

Curves = Mapping[str, Sequence[Sequence[Mapping[str, Any]]]]
"""By the name of a group, the ``epoch`` events of each of its runs."""


@styled
def sessions_figure(groups: Matrices) -> Figure:
    """Draw the PSNR of each video after the last session, one marker per group; bars are the deviation over seeds."""
    figure, axes = _wide()
    for number, (name, matrices) in enumerate(groups.items()):
        last = [matrix["rows"][-1]["psnr"][: len(matrix["rows"])] for matrix in matrices]
        columns = list(zip(*last, strict=True))
        positions = [s + (number / max(1, len(groups) - 1) - 0.5) * 0.5 for s in range(len(columns))]
        means = [_mean(column) for column in columns]
        spread = [stdev(column) if len(column) > 1 and None not in column else 0.0 for column in columns]
        style = _style(number, len(groups))
        axes.errorbar(positions, means, spread, label=name, lw=0, elinewidth=0.8, **style)
    names = next(iter(groups.values()))[0]["videos"]
    _sessions_axis(axes, names)
    axes.set_ylabel(f"{PSNR.label} after the last session ({PSNR.unit})")
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure


@styled
def bytes_figure(points: Mapping[str, Sequence[tuple[int, float]]]) -> Figure:
    """Draw quality against stored bytes, including buffers; one point per group, at the means over its seeds.

    Args:
        points: by the name of a group, stored bytes and average PSNR (dB) of each of its runs.
    """
    figure, axes = _wide()
    labels = []
    for number, (name, runs) in enumerate(points.items()):
        sizes, quality = zip(*runs, strict=True)
        spread = stdev(quality) if len(quality) > 1 else 0.0
        point = (fmean(sizes) / 1e6, fmean(quality))
        axes.errorbar(*point, spread, label=name, lw=0, elinewidth=0.8, **_style(number, len(points)))
        line = {"arrowstyle": "-", "lw": 0.4, "color": GREY, "shrinkA": 0, "relpos": (0, 0.5)}
        labels.append(
            axes.annotate(name, point, (4, 3), textcoords="offset points", fontsize=6.5, color=DIM, arrowprops=line)
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}")
    axes.tick_params(axis="x", which="minor", labelsize=6)
    axes.set_xlabel("stored megabytes: weights, masks, side data, buffers")
    axes.set_ylabel(f"average {PSNR.heading}")
    _separate(figure, labels)
    return figure


@styled
def forgetting_figure(groups: Matrices) -> Figure:
    """Draw the PSNR of each video over the sessions, one panel per group, one line per video; means over seeds."""
    figure, panels = _panels(len(groups))
    colours = matplotlib.colormaps["viridis"]
    for axes, (name, matrices) in zip(panels, groups.items(), strict=True):
        sessions = len(matrices[0]["rows"])
        for video in range(sessions):
            cells = [_mean([m["rows"][s]["psnr"][video] for m in matrices]) for s in range(video, sessions)]
            axes.plot(
                range(video, sessions), cells, lw=1, marker="o", ms=2, color=colours(video / max(1, sessions - 1))
            )
        axes.set_title(name, loc="left", fontsize=8)
        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
    _label(panels, "after session", PSNR.heading)
    return figure


@styled
def seconds_figure(groups: Curves, videos: Sequence[str]) -> Figure:
    """Draw how soon training reaches which PSNR: one panel per video, one line per run, one colour per group.

    Args:
        groups: by the name of a group, the ``epoch`` events of each of its runs. Their PSNR (dB) is that of the frames
            as they were trained on; their seconds count from the start of the session.
        videos: names by session.
    """
    figure, panels = _panels(len(videos))
    lines = []
    for number, (name, runs) in enumerate(groups.items()):
        colour = _colour(number, len(groups))
        lines.append(Line2D([], [], lw=1.2, color=colour, label=name))
        for (session, axes), events in product(enumerate(panels), runs):
            seconds, psnr = _training(events, session)
            axes.plot(seconds, psnr, lw=1.2, color=colour, marker="o" if len(psnr) < 4 else "", ms=2)
    for axes, video in zip(panels, videos, strict=True):
        axes.set_title(video, loc="left", fontsize=8)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_locator(NullLocator())
    _label(panels, "seconds (log scale)", f"{PSNR.label} while training ({PSNR.unit})")
    figure.legend(handles=lines, loc="center left", bbox_to_anchor=(0.91, 0.5))
    return figure


def _training(events: Sequence[Mapping[str, Any]], session: int) -> tuple[list[float], list[float]]:
    """Seconds and PSNR of a session's epochs; of one that was trained twice, by a run that was killed, the latter."""
    epochs = {event["epoch"]: event for event in events if event["session"] == session}
    in_order = [epochs[number] for number in sorted(epochs)]
    return [event["seconds"] for event in in_order], [event["psnr"] for event in in_order]


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    """A figure of equal panels with common axes, at most four in a row."""
    columns = min(4, count)
    rows = math.ceil(count / columns)
    figure = Figure(figsize=(2.3 * columns + 0.5, 1.7 * rows + 0.3))
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    figure.subplots_adjust(hspace=0.35, wspace=0.1)
    for axes in grid.flat[count:]:
        axes.set_visible(False)
    for axes in grid.flat[:count]:
        axes.grid(axis="y", color="#e6e6e6", lw=0.5)
    return figure, list(grid.flat[:count])


def _label(panels: Sequence[Axes], below: str, beside: str) -> None:
    """Name the axes at the foot of each column and at the left of each row."""
    columns = min(4, len(panels))
    for axes in panels[::columns]:
        axes.set_ylabel(beside)
    for axes in panels[-columns:]:
        axes.set_xlabel(below)
        axes.tick_params(labelbottom=True)


def _separate(figure: Figure, labels: Sequence[Annotation]) -> None:
    """Move labels down, starting with the highest, until none overlaps another."""
    figure.draw_without_rendering()
    placed = list[BboxBase]()
    for label in sorted(labels, key=lambda label: -Text.get_window_extent(label).y1):  # Without the connecting line.
        while any(Text.get_window_extent(label).overlaps(other) for other in placed):
            x, y = label.get_position()
            label.set_position((x, y - 1))
        placed.append(Text.get_window_extent(label))


def _wide() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.4, 3.6))
    axes = figure.add_subplot()
    axes.grid(axis="y", color="#e6e6e6", lw=0.5)
    axes.set_axisbelow(True)
    return figure, axes


def _colour(number: int, count: int) -> tuple[float, float, float, float]:
    palette = matplotlib.colormaps["tab10" if count <= 10 else "tab20"]
    return palette(number % palette.N)


def _style(number: int, count: int) -> dict[str, Any]:
    return {"color": _colour(number, count), "marker": MARKERS[number % len(MARKERS)], "ms": 4, "ecolor": GREY}


def _sessions_axis(axes: Axes, names: Sequence[str]) -> None:
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right", rotation_mode="anchor")
    for boundary in range(1, len(names)):
        axes.axvline(boundary - 0.5, color="#e6e6e6", lw=0.5)


def _mean(cells: Sequence[float | None]) -> float:
    """Mean of cells; NaN, which leaves a gap in a line, where one was not measured."""
    measured = [cell for cell in cells if cell is not None]
    return fmean(measured) if len(measured) == len(cells) else math.nan
