"""Figures of a run's numbers: the matrix, the training curves, the shares of the network."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, PercentFormatter, StrMethodFormatter

from vcl.errors import VclError
from vcl.metrics.matrix import SessionMatrix
from vcl.metrics.registry import METRICS
from vcl.report.figures.style import BLUE, DIM, INK, ORANGE, PALE, SKY, ink_on, styled
from vcl.report.summary import numbers_line, session_matrix
from vcl.rundir import Event

SHARES = {"reused": BLUE, "new": ORANGE, "used by others only": SKY, "free": PALE}
"""How a session uses a layer's weights, and the colour of each share."""

_MOST_WIDE_CELLS = 10
"""With more sessions than this, cells are narrow."""

_MEAN_WIDTH = 1.1
"""Width of the column of means, in cells."""


@styled
def matrix_figure(matrix: Mapping[str, Any], metric: str = "psnr", title: str = "") -> Figure:
    """Draw the session matrix as a heat map with its numbers.

    One row per session, one column per video, and the mean of each row. Only the videos so far are coloured, bright
    being good: videos still to come are grey and hatched, and sessions to come are empty.

    Args:
        matrix: as ``RunFolder.matrix`` returns it.
        metric: a key of ``METRICS``.
        title: of the run; the metric and the averages are added.

    Raises:
        VclError: the metric has no numbers here.
    """
    numbers = session_matrix(matrix, metric)
    if not numbers.defined:
        raise VclError(f"a figure of the matrix must have numbers, got no {METRICS[metric].label}")
    names = matrix["videos"]
    wide, high = (0.64, 0.40) if len(names) <= _MOST_WIDE_CELLS else (0.47, 0.31)
    # The axes fill the figure, so that cells have a size in inches; writing the file adds room for labels.
    figure = Figure(figsize=(wide * (len(names) + _MEAN_WIDTH), high * len(names)))
    axes = figure.add_axes((0, 0, 1, 1))
    scale = _scale([cell for s, row in enumerate(numbers.rows) for cell in row[: s + 1] if cell is not None])
    digits, text_size = METRICS[metric].cell_digits, 8
    if len(names) > _MOST_WIDE_CELLS:
        digits, text_size = digits - 1, 7
    _cells(axes, numbers, scale, digits, text_size)
    _matrix_axes(axes, names)
    strip = axes.inset_axes((1 + 0.05 / figure.get_figwidth(), 0, 0.13 / figure.get_figwidth(), 1))
    bar = figure.colorbar(ScalarMappable(scale, _colours(numbers)), cax=strip)
    bar.set_label(METRICS[metric].heading)
    bar.outline.set_linewidth(0)
    heading = ": ".join(filter(None, (title, f"{METRICS[metric].label} of each video after each session")))
    _set_headings(axes, heading, numbers_line(numbers, metric))
    return figure


def _scale(values: Sequence[float]) -> Normalize:
    """The range of the values, widened a little where they are all equal."""
    low, high = min(values), max(values)
    margin = 0.0 if high > low else max(abs(high), 1.0) / 100
    return Normalize(low - margin, high + margin)


def _colours(numbers: SessionMatrix) -> Colormap:
    """Bright is good, also where less is better."""
    return matplotlib.colormaps["viridis" if numbers.higher_is_better else "viridis_r"]


def _cells(axes: Axes, numbers: SessionMatrix, scale: Normalize, digits: int, size: float) -> None:
    colours = _colours(numbers)
    for s, row in enumerate(numbers.rows):
        for j, cell in enumerate(row):
            if cell is None:
                continue
            red, green, blue, _ = colours(scale(cell))
            if j > s:
                axes.add_patch(Rectangle((j, s), 1, 1, fc=PALE, ec="#dddddd", hatch="////", lw=0, zorder=1))
            else:
                axes.add_patch(Rectangle((j, s), 1, 1, fc=(red, green, blue), ec="white", lw=0.8, zorder=2))
            axes.text(
                j + 0.5,
                s + 0.5,
                f"{cell:.{digits}f}",
                ha="center",
                va="center",
                fontsize=size - (j > s),
                color=DIM if j > s else ink_on((red, green, blue)),
                fontweight="bold" if j == s else "normal",
                bbox={"fc": PALE, "ec": "none", "pad": 1.0} if j > s else None,
                zorder=3,
            )
        mean = SessionMatrix(numbers.rows[: s + 1]).average()
        mean_text = "" if mean is None else f"{mean:.{digits}f}"
        axes.text(len(row) + _MEAN_WIDTH / 2, s + 0.5, mean_text, ha="center", va="center", fontsize=size)
    for s in range(len(numbers.rows)):
        axes.add_patch(Rectangle((s, s), 1, 1, fc="none", ec=INK, lw=1.0, zorder=4))


def _matrix_axes(axes: Axes, names: Sequence[str]) -> None:
    count = len(names)
    axes.set_xlim(0, count + _MEAN_WIDTH)
    axes.set_ylim(count, 0)
    slanted = count > 4 or max(map(len, names)) > 8
    axes.set_xticks(
        [*(j + 0.5 for j in range(count)), count + _MEAN_WIDTH / 2],
        [*names, "mean"],
        rotation=40 if slanted else 0,
        ha="left" if slanted else "center",
        rotation_mode="anchor",
    )
    axes.set_yticks([s + 0.5 for s in range(count)], [f"{s} {name}" for s, name in enumerate(names)])
    axes.set_ylabel("after session")
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.add_patch(Rectangle((0, 0), count, count, fc="none", ec="#cccccc", lw=0.6, zorder=0))


def _set_headings(axes: Axes, heading: str, below: str) -> None:
    """Set a title, and a line in smaller print under it."""
    title = axes.set_title(f"{heading}\n", loc="left", fontsize=10, fontweight="bold", pad=8)
    axes.annotate(below, (0, 0), xycoords=title, va="bottom", fontsize=8.5, color=DIM)


@styled
def curves_figure(epochs: Sequence[Event], names: Sequence[str] = (), title: str = "") -> Figure:
    """Draw training PSNR and loss over all steps of a run, one session after another.

    Args:
        epochs: ``epoch`` events.
        names: of the videos, by session.
        title: of the run.

    Raises:
        VclError: there are no epochs.
    """
    if not epochs:
        raise VclError("a figure of the training must have epochs, got none")
    sessions = sorted({event["session"] for event in epochs})
    starts = step_offsets(epochs)
    ends = {s: starts[s] + max(e["steps"] for e in epochs if e["session"] == s) for s in sessions}
    figure = Figure(figsize=(max(6.4, min(12.0, 0.62 * len(sessions) + 3)), 3.9))
    top, bottom = figure.subplots(2, 1, sharex=True, gridspec_kw={"hspace": 0.1})
    for axes, key, colour, name in ((top, "psnr", BLUE, "PSNR while training (dB)"), (bottom, "loss", ORANGE, "loss")):
        for s in sessions:
            events = sorted((e for e in epochs if e["session"] == s), key=lambda e: int(e["epoch"]))
            steps, values = [starts[s] + e["step"] for e in events], [e[key] for e in events]
            axes.plot(steps, values, color=colour, lw=1.1, marker="o" if len(events) < 4 else "", ms=2.5)
        axes.set_ylabel(name)
        axes.grid(axis="y", color="#e6e6e6", lw=0.5)
        axes.set_axisbelow(True)
        for s in sessions[1::2]:
            axes.axvspan(starts[s], ends[s], color=PALE, lw=0, zorder=0)
    bottom.set_yscale("log")
    bottom.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    bottom.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    bottom.yaxis.set_minor_locator(NullLocator())
    bottom.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    bottom.set_xlabel("step")
    bottom.set_xlim(starts[sessions[0]], ends[sessions[-1]])
    figure.align_ylabels((top, bottom))
    _name_sessions(top, {s: (starts[s] + ends[s]) / 2 for s in sessions}, names)
    top.set_title(title, loc="left", fontsize=10, fontweight="bold", pad=6)
    return figure


def step_offsets(epochs: Sequence[Event]) -> dict[int, int]:
    """The step of the whole run at which each session starts.

    Args:
        epochs: ``epoch`` events, at least one of each closed session.

    Returns:
        By session, the steps of the sessions before it.
    """
    steps = {event["session"]: int(event["steps"]) for event in epochs}
    order = sorted(steps)
    return dict(zip(order, accumulate((steps[s] for s in order[:-1]), initial=0), strict=True))


def _name_sessions(axes: Axes, middles: Mapping[int, float], names: Sequence[str]) -> None:
    """Write each session's video above its stretch of the axis."""
    above = axes.secondary_xaxis("top")
    labels = [names[s] if s < len(names) else f"session {s}" for s in middles]
    above.set_xticks(list(middles.values()), labels)
    if len(labels) > 6:
        above.set_xticks(list(middles.values()), labels, rotation=40, ha="left", rotation_mode="anchor")
    above.tick_params(length=0, labelsize=7.5)
    above.spines["top"].set_visible(False)


@styled
def shares_figure(sessions: Sequence[Event], title: str = "") -> Figure:
    """Draw how each session uses each layer, as stacked shares: the whole network first, then one panel per layer.

    Args:
        sessions: ``session`` events.
        title: of the run.

    Raises:
        VclError: the method has no masks, so there are no shares.
    """
    by_session = {event["session"]: {layer["name"]: layer for layer in event["layers"]} for event in sessions}
    names = list(dict.fromkeys(name for layers in by_session.values() for name in layers))
    if not names:
        raise VclError("a figure of the shares must have masks, got a method without")
    panels: dict[str, dict[int, Mapping[str, int]]] = {
        "all layers": {s: total_of(layers.values()) for s, layers in by_session.items()},
        **{name: {s: layers[name] for s, layers in by_session.items() if name in layers} for name in names},
    }
    columns = min(4, math.ceil(math.sqrt(len(panels))))
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(2.2 * columns + 0.6, 1.6 * rows))
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    figure.subplots_adjust(left=0, right=1, bottom=0, top=1, hspace=0.45, wspace=0.1)
    for number, axes in enumerate(grid.flat):
        axes.set_visible(number < len(panels))
    for axes, (name, layers) in zip(grid.flat, panels.items(), strict=False):
        _stack(axes, layers)
        total = max(layer["total"] for layer in layers.values())
        axes.set_title(f"{short_name(name)}  ({_count(total)})", loc="left", pad=3, fontsize=8)
    for axes in grid[:, 0]:
        axes.set_ylabel("share of weights")
    for number in range(max(0, len(panels) - columns), len(panels)):
        grid.flat[number].set_xlabel("session")
        grid.flat[number].tick_params(labelbottom=True)
    above = 1 + 0.32 / figure.get_figheight()
    patches = [Patch(fc=colour, ec="#bbbbbb", lw=0.4, label=name) for name, colour in SHARES.items()]
    figure.legend(handles=patches, ncols=len(SHARES), loc="lower right", bbox_to_anchor=(1, above), borderpad=0)
    figure.suptitle(title, x=0, y=above, ha="left", va="bottom", fontweight="bold")
    return figure


def shares_of(layer: Mapping[str, int]) -> dict[str, float]:
    """Split a layer's weights after a session into the four shares of ``SHARES``, which sum to 1."""
    reused, new, free, total = layer["reused"], layer["new"], layer["free"], layer["total"]
    counts = (reused, new, total - reused - new - free, free)
    return {name: count / total for name, count in zip(SHARES, counts, strict=True)}


def total_of(layers: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Add up the counts of weights of several layers after one session."""
    layers = list(layers)
    return {key: sum(layer[key] for layer in layers) for key in ("total", "reused", "new", "free")}


def _stack(axes: Axes, by_session: Mapping[int, Mapping[str, int]]) -> None:
    sessions = list(by_session)
    shares = [shares_of(layer) for layer in by_session.values()]
    below = [0.0] * len(sessions)
    for name, colour in SHARES.items():
        heights = [share[name] for share in shares]
        axes.bar(sessions, heights, 0.82, below, color=colour, lw=0)
        below = [low + height for low, height in zip(below, heights, strict=True)]
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
    axes.tick_params(axis="x", length=0)


def short_name(name: str) -> str:
    """Shorten a name that is too long for a panel to its block and its part, which tell layers apart."""
    name = name.removesuffix(".weight")
    return name if len(name) <= 22 else f"{name[:8]}…{name[-13:]}"


def _count(weights: int) -> str:
    for unit, size in (("M", 10**6), ("k", 10**3)):
        if weights >= size:
            return f"{weights / size:.3g} {unit}"
    return str(weights)
