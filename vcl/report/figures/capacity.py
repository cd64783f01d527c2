"""Quality against the share of the weights that a session may use, and against the bytes that this costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, PercentFormatter

from vcl.metrics.registry import PSNR
from vcl.report.figures.style import COLOURS, DIM, MARKERS, styled
from vcl.report.rates import CapacityPoint


@styled
def capacity_figure(curves: Mapping[str, Sequence[CapacityPoint]]) -> Figure:
    """Draw average PSNR against capacity, and the same points against stored megabytes.

    Args:
        curves: by name, the points of a method, lowest capacity first; bars are the deviation over seeds.
    """
    figure = Figure(figsize=(7.2, 3.2))
    by_capacity, by_bytes = figure.subplots(1, 2, sharey=True)
    figure.subplots_adjust(wspace=0.06)
    for number, (name, points) in enumerate(curves.items()):
        style = {
            "color": COLOURS[number % len(COLOURS)],
            "marker": MARKERS[number % len(MARKERS)],
            "ms": 4.5,
            "lw": 1.4,
        }
        psnr, spread = [point.psnr for point in points], [point.spread for point in points]
        by_capacity.errorbar([point.capacity for point in points], psnr, spread, label=name, elinewidth=0.8, **style)
        by_bytes.errorbar([point.stored_bytes / 1e6 for point in points], psnr, spread, elinewidth=0.8, **style)
        # Higher capacities follow along the line, and often lie close to one another.
        lowest = (points[0].stored_bytes / 1e6, points[0].psnr)
        words = {"textcoords": "offset points", "ha": "right", "fontsize": 6.5, "color": DIM}
        by_bytes.annotate(f"{points[0].capacity:.0%}", lowest, (-5, -2), **words)
    by_capacity.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    by_capacity.set_xticks(sorted({point.capacity for points in curves.values() for point in points}))
    by_capacity.set_xlabel("capacity: share of the weights in one mask")
    by_capacity.set_ylabel(f"average {PSNR.heading}")
    by_bytes.set_xscale("log")
    by_bytes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    by_bytes.xaxis.set_major_formatter(FuncFormatter(lambda megabytes, _: f"{megabytes:g}"))
    by_bytes.xaxis.set_minor_formatter(NullFormatter())
    by_bytes.set_xlabel("stored megabytes (log scale)")
    by_bytes.margins(x=0.14, y=0.12)  # Leaves room for the words beside the lowest capacity.
    for axes in (by_capacity, by_bytes):
        axes.grid(color="#ececec", lw=0.5)
        axes.set_axisbelow(True)
    figure.legend(
        *by_capacity.get_legend_handles_labels(), loc="lower left", bbox_to_anchor=(0.12, 0.9), ncols=len(curves)
    )
    return figure
