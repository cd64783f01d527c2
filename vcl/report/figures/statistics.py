"""Figures of the statistics: variance by layer, spectra of blocks and of frames, and what subnetworks share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter, NullLocator, PercentFormatter

from vcl.report.feature_maps import CONVOLUTION, OPERATOR, group_of
from vcl.report.figures.style import BLUE, COLOURS, DIM, INK, MARKERS, ORANGE, ink_on, styled
from vcl.report.statistics import DECODED, RESIDUAL, TRUTH, Curves, mean_over_sessions, missing_share
from vcl.report.subnetworks import Subnetworks

_RULE = "#e6e6e6"

_LEGEND_ROWS = 14
"""Of a legend of sessions; more go into another column."""

_FREQUENCY, _AMPLITUDE = "frequency (share of Nyquist)", "log A(f) − log A(0)"

_PATHS = {CONVOLUTION: (COLOURS[0], "--"), OPERATOR: (COLOURS[1], "-.")}
"""Colour and dashes of a block's paths; its whole output is a solid line in ink."""

_PICTURES = {TRUTH: (INK, "-"), DECODED: (BLUE, "--"), RESIDUAL: (ORANGE, "-")}


@styled
def variance_figure(layers: Sequence[Mapping[str, Any]], videos: Sequence[str], title: str = "") -> Figure:
    """Draw the variance of feature maps by layer, a line for each session.

    Args:
        layers: as of ``statistics_of``, one at least.
        videos: names by session.
        title: of the run.
    """
    figure, (axes,) = _panels(1, title, width=_width(layers), height=2.4, gap=0.12)
    names, colours = [group_of(layer["name"]) for layer in layers], matplotlib.colormaps["viridis"]
    for session, video in enumerate(videos):
        variances = _with_gaps(layer["variance"][session] for layer in layers)
        colour = colours(0.95 * session / max(1, len(videos) - 1))
        axes.plot(
            range(len(names)),
            variances,
            color=colour,
            lw=1,
            marker=MARKERS[session % len(MARKERS)],
            ms=3.5,
            label=video,
        )
    _variance_axes(axes, names)
    columns = math.ceil(len(videos) / _LEGEND_ROWS)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), title="session", title_fontsize=7.5, ncols=columns)
    return figure


@styled
def spectra_figure(spectra: Curves, title: str = "") -> Figure:
    """Draw the spectra of the blocks, a panel for each: the mean over sessions, and each session as a faint line.

    Args:
        spectra: as of ``statistics_of``, one at least.
        title: of the run.
    """
    groups = _by_group(spectra)
    figure, panels = _panels(len(groups), title)
    for axes, (group, curves) in zip(panels, groups.items(), strict=True):
        for curve in curves:
            path = curve["name"].removeprefix(group).lstrip(", ")
            _draw(axes, curve, *_PATHS.get(path, (INK, "-")), label=path)
        axes.set_title(group, loc="left")
        if len(curves) > 1:
            axes.legend(loc="upper right", handlelength=2.6)
    _spectrum_axes(panels, _AMPLITUDE)
    return figure


@styled
def frame_spectra_figure(frames: Curves, title: str = "") -> Figure:
    """Draw the spectra of frames, and by frequency the amplitude of the residual relative to the truth's.

    Args:
        frames: as of ``statistics_of``.
        title: of the run.
    """
    curves = {curve["name"]: curve for curve in frames}
    figure, panels = _panels(1 + (RESIDUAL in curves), title)
    for name, curve in curves.items():
        _draw(panels[0], curve, *_PICTURES[name], label=name)
    panels[0].set_title("frames", loc="left")
    panels[0].legend(loc="upper right", handlelength=2.6)
    _spectrum_axes(panels[:1], _AMPLITUDE)
    if RESIDUAL in curves:
        _draw(panels[1], missing_share(frames), *_PICTURES[RESIDUAL])
        _share_axes(panels[1])
    return figure


@styled
def subnetworks_figure(shared: Subnetworks, videos: Sequence[str], title: str = "") -> Figure:
    """Draw the overlap of the sessions' masks, and the age of the weights that each session uses.

    Args:
        shared: of the run, as of ``subnetworks_of``.
        videos: names by session.
        title: of the run.
    """
    count = len(videos)
    side = max(2.2, 0.3 * count)
    figure, (left, right) = _panels(2, title, width=side, height=side)
    colours = matplotlib.colormaps["cividis"]
    left.imshow(shared.overlap, cmap=colours, vmin=0, vmax=1)
    for s, row in enumerate(shared.overlap):
        for k, share in enumerate(row):
            ink = ink_on(colours(share)[:3])
            left.text(k, s, f"{100 * share:.0f}", ha="center", va="center", fontsize=6.5, color=ink)
    left.set_xticks(range(count))
    left.set_yticks(range(count), [f"{s} {video}" for s, video in enumerate(videos)])
    left.set_xlabel("is in the mask of session")
    left.set_title("% of a session's weights that another uses too", loc="left", fontsize=8)
    below = [0.0] * count
    for k in range(count):
        shares = [row[k] for row in shared.age]
        right.barh(range(count), shares, 0.82, below, color=colours(k / max(1, count - 1)), lw=0)
        below = [start + share for start, share in zip(below, shares, strict=True)]
    right.set_ylim(count - 0.5, -0.5)
    right.set_yticks(range(count))
    right.set_xlim(0, 1)
    right.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    right.set_xlabel("share of a session's weights")
    right.set_title("the session that used them first", loc="left", fontsize=8)
    bar = figure.colorbar(ScalarMappable(Normalize(-0.5, count - 0.5), colours.resampled(count)), ax=right, pad=0.07)
    bar.set_ticks(range(count))
    bar.ax.tick_params(length=0)
    bar.outline.set_linewidth(0)
    for axes in (left, right):
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
    return figure


@styled
def runs_variance_figure(runs: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Draw the variance by layer of several runs: means over sessions, bars from the least to the greatest.

    Args:
        runs: by name, as of ``statistics_of``; those without layers are left out.
    """
    names = list(dict.fromkeys(group_of(layer["name"]) for run in runs.values() for layer in run["layers"]))
    figure, (axes,) = _panels(1, "Variance of feature maps", width=_width(names), height=2.4, gap=0.12)
    for number, (run, statistics) in enumerate(runs.items()):
        numbers = {group_of(layer["name"]): layer["variance"] for layer in statistics["layers"]}
        layers = {name: known for name, row in numbers.items() if (known := [v for v in row if v is not None])}
        means = [fmean(variances) for variances in layers.values()]
        bars = [
            [mean - min(variances) for mean, variances in zip(means, layers.values(), strict=True)],
            [max(variances) - mean for mean, variances in zip(means, layers.values(), strict=True)],
        ]
        shift = (number - (len(runs) - 1) / 2) * 0.4 / len(runs)
        places = [names.index(name) + shift for name in layers]
        axes.errorbar(places, means, bars, label=run, lw=1, elinewidth=0.7, ms=4, **_run_style(number))
    axes.set_xticks(range(len(names)))
    _variance_axes(axes, names)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure


@styled
def runs_spectra_figure(runs: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Draw the spectra of several runs side by side: a panel for each block, and one of what frames lack.

    A block's whole output is a solid line, its operator alone a dotted one; means over sessions.

    Args:
        runs: by name, as of ``statistics_of``.
    """
    groups = list(dict.fromkeys(curve["group"] for run in runs.values() for curve in run["spectra"]))
    missing = {name: missing_share(run["frames"]) for name, run in runs.items() if _has_residual(run["frames"])}
    figure, panels = _panels(len(groups) + bool(missing), "Spectra of blocks, and of what decoded frames lack")
    lines = []
    for number, (name, run) in enumerate(runs.items()):
        colour = _run_style(number)["color"]
        lines.append(Line2D([], [], color=colour, lw=1.4, label=name))
        for group, curves in _by_group(run["spectra"]).items():
            axes = panels[groups.index(group)]
            _draw(axes, curves[0], colour, "-", each=False)
            for curve in curves[1:]:
                if curve["name"].endswith(OPERATOR):
                    _draw(axes, curve, colour, ":", each=False)
        if name in missing:
            _draw(panels[-1], missing[name], colour, "-", each=False)
    for axes, group in zip(panels, groups, strict=False):
        axes.set_title(group, loc="left")
    _spectrum_axes(panels[: len(groups)], _AMPLITUDE)
    if missing:
        _share_axes(panels[-1])
    if any(curve["name"].endswith(OPERATOR) for run in runs.values() for curve in run["spectra"]):
        lines.append(Line2D([], [], color=DIM, lw=1.4, ls=":", label=OPERATOR))
    figure.legend(handles=lines, loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure


def _has_residual(frames: Curves) -> bool:
    return any(curve["name"] == RESIDUAL for curve in frames)


def _by_group(spectra: Curves) -> dict[str, list[Mapping[str, Any]]]:
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for curve in spectra:
        groups.setdefault(curve["group"], []).append(curve)
    return groups


def _panels(
    count: int, title: str, width: float = 2.5, height: float = 2.2, gap: float = 0.3
) -> tuple[Figure, list[Axes]]:
    """Panels in rows of three, and a title ``gap`` inches above them."""
    columns = min(count, 3)
    rows = math.ceil(count / columns)
    figure = Figure(figsize=(width * columns + 0.55 * (columns - 1), height * rows + 0.6 * (rows - 1)))
    grid = figure.subplots(rows, columns, squeeze=False)
    figure.subplots_adjust(0, 0, 1, 1, wspace=0.55 / width, hspace=0.6 / height)
    for axes in grid.flat[count:]:
        axes.set_visible(False)
    figure.suptitle(title, x=0, y=1 + gap / figure.get_figheight(), ha="left", va="bottom", fontweight="bold")
    return figure, list(grid.flat[:count])


def _width(layers: Sequence[Any]) -> float:
    return 3.2 if len(layers) < 5 else 5.2


def _draw(axes: Axes, curve: Mapping[str, Any], colour: Any, dashes: str, label: str = "", each: bool = True) -> None:
    if each:
        for numbers in curve["log_amplitude"]:
            axes.plot(curve["frequency"], _with_gaps(numbers), color=colour, lw=0.5, alpha=0.2)
    mean = _with_gaps(mean_over_sessions(curve))
    axes.plot(curve["frequency"], mean, color=colour, lw=1.4, ls=dashes, label=label)


def _with_gaps(numbers: Any) -> list[float]:
    """NaN leaves a gap in a line."""
    return [math.nan if number is None else number for number in numbers]


def _spectrum_axes(panels: Sequence[Axes], ylabel: str) -> None:
    for axes in panels:
        axes.set_xlim(0, 1)
        axes.grid(color=_RULE, lw=0.5)
        axes.set_axisbelow(True)
        axes.set_xlabel(_FREQUENCY)
    for axes in panels[::3]:
        axes.set_ylabel(ylabel)


def _share_axes(axes: Axes) -> None:
    _spectrum_axes([axes], "")
    axes.axhline(1, color=DIM, lw=0.6)
    axes.set_ylim(0, None)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_title("amplitude of the residual / truth", loc="left")


def _variance_axes(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xticks(range(len(names)), names, rotation=30 if len(names) > 4 else 0)
    axes.margins(x=0.5 / max(1, len(names)))
    axes.grid(axis="y", color=_RULE, lw=0.5)
    axes.set_axisbelow(True)
    axes.set_xlabel("layer")
    axes.set_ylabel("variance of its feature maps")


def _run_style(number: int) -> dict[str, Any]:
    return {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}
