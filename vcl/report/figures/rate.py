"""Figures of rate: PSNR and decoding speed against bits per pixel, and where the bits of a library go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from vcl.metrics.registry import PSNR
from vcl.report.classical import ClassicalPoint
from vcl.report.figures.style import COLOURS, DIM, MARKERS, styled
from vcl.report.rates import RatePoint

_GREYS = {"libx264": "#a8a8a8", "libx265": "#6e6e6e", "libsvtav1": "#2e2e2e"}
"""By encoder, lighter the older."""

_DASHES = {"default": "-", "every second": (0, (5, 2)), "all": (0, (1, 1.5))}
"""By which frames are key frames."""

_MOST_FINE_TICKS = 300
"""A scale that spans a larger factor has a tick for powers of ten only."""

_NAMES = {"libx264": "x264", "libx265": "x265", "libsvtav1": "SVT-AV1"}

_KEY_FRAMES = {"default": "key frames by default", "every second": "one a second or more", "all": "key frames only"}


@styled
def rate_figure(curves: Mapping[str, Sequence[RatePoint]], classical: Sequence[ClassicalPoint] = ()) -> Figure:
    """Draw PSNR, and below it decoding speed, against bits per pixel.

    Args:
        curves: by name, the points of a method at one size or more, joined by a line; bars are the deviation over
            seeds.
        classical: points of classical codecs, in grey behind them; points of one encoder and one kind of key frames
            are joined.
    """
    figure = Figure(figsize=(6.4, 5.2))
    quality, speed = figure.subplots(2, sharex=True, height_ratios=(2.2, 1))
    figure.subplots_adjust(hspace=0.08)
    codecs, methods = _classical(quality, speed, classical), _methods(quality, speed, curves)
    for axes in (quality, speed):
        axes.grid(color="#ececec", lw=0.5)
        axes.set_axisbelow(True)
        axes.set_xscale("log")
    speed.set_yscale("log")
    for axis in (speed.xaxis, speed.yaxis):
        low, high = axis.get_view_interval()
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < _MOST_FINE_TICKS * low else (1,)))
        axis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:,g}"))
        axis.set_minor_formatter(NullFormatter())
    quality.set_ylabel(f"average {PSNR.heading}")
    speed.set_ylabel("decoded frames/s")
    speed.set_xlabel("bits per pixel, all bytes of the file (log scale)")
    figure.align_ylabels((quality, speed))
    quality.legend(handles=methods, loc="upper left", bbox_to_anchor=(1.01, 1.02))
    if codecs:
        beside = {
            "loc": "lower left",
            "bbox_to_anchor": (1.01, -0.06),
            "title": "classical codecs",
            "alignment": "left",
        }
        speed.legend(handles=codecs, title_fontsize=7.5, **beside)
    return figure


def _methods(quality: Axes, speed: Axes, curves: Mapping[str, Sequence[RatePoint]]) -> list[Line2D]:
    handles = []
    for number, (name, points) in enumerate(curves.items()):
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        style: dict[str, Any] = {
            "color": colour,
            "marker": marker,
            "ms": 5,
            "lw": 1.4,
            "mec": "white",
            "mew": 0.5,
            "zorder": 3,
        }
        bits = [point.bits_per_pixel for point in points]
        spread = [point.spread for point in points]
        quality.errorbar(bits, [point.psnr for point in points], spread, elinewidth=0.8, **style)
        timed = [(point.bits_per_pixel, point.decode_fps) for point in points if point.decode_fps is not None]
        if timed:
            speed.plot(*zip(*timed, strict=True), **style)
        handles.append(Line2D([], [], label=name, **style))
    return handles


def _classical(quality: Axes, speed: Axes, points: Sequence[ClassicalPoint]) -> list[Line2D]:
    """Lines of encoders; their legend has a line for each grey and one for each kind of dashes."""
    ordered = sorted(points, key=lambda point: (point.encoder, point.key_frames, point.bits_per_pixel))
    for (encoder, key_frames), group in groupby(ordered, lambda point: (point.encoder, point.key_frames)):
        line = list(group)
        style: dict[str, Any] = {"color": _GREYS.get(encoder, DIM), "ls": _DASHES.get(key_frames, "-."), "lw": 1.0}
        bits = [point.bits_per_pixel for point in line]
        quality.plot(bits, [point.psnr for point in line], **style)
        speed.plot(bits, [point.decode_fps for point in line], **style)
    encoders, kinds = {point.encoder for point in points}, {point.key_frames for point in points}
    greys = {name: _GREYS.get(name, DIM) for name in (*_GREYS, *sorted(encoders - set(_GREYS))) if name in encoders}
    dashes = {_KEY_FRAMES[kind]: style for kind, style in _DASHES.items() if kind in kinds}
    return [
        *(Line2D([], [], color=grey, lw=2, label=_NAMES.get(name, name)) for name, grey in greys.items()),
        *(Line2D([], [], color=DIM, lw=1, ls=style, label=name) for name, style in dashes.items()),
    ]
