"""Figure of the bit budget: where the bytes of a library go, by session and by layer."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from vcl.codec.footprint import Footprint
from vcl.report.figures.run import short_name
from vcl.report.figures.style import BLUE, ORANGE, styled

_KINDS = {"weight": ("weights", BLUE), "mask": ("masks", ORANGE), "side": ("side data", "#b8b8b8")}
"""Name and colour of each kind of bytes."""

_MOST_NAMES = 20
"""With more sessions than this, they are numbered instead of named."""

_UNITS = ((1e6, "MB"), (1e3, "kB"), (1, "bytes"))


@styled
def budget_figure(footprint: Footprint, title: str = "") -> Figure:
    """Draw the bytes of a library as stacked bars: by session, and by layer over all sessions.

    Args:
        footprint: of the library.
        title: of the run; the total is added.
    """
    sessions = {f"{number} {session.video}": session.by_kind() for number, session in enumerate(footprint.sessions)}
    if len(sessions) > _MOST_NAMES:
        sessions = {str(number): sizes for number, sizes in enumerate(sessions.values())}
    layers = {short_name(name): sizes for name, sizes in footprint.by_layer().items()}
    height = 0.2 * max(len(sessions), len(layers), 4) + 0.3
    figure = Figure(figsize=(8.4, height))
    by_session, by_layer = figure.subplots(1, 2)
    figure.subplots_adjust(left=0, right=1, bottom=0, top=1, wspace=0.5)
    _bars(by_session, sessions)
    _bars(by_layer, layers)
    by_session.set_title("by session", loc="left", pad=4)
    by_layer.set_title("by layer, all sessions", loc="left", pad=4)
    shares = {kind: size / footprint.total for kind, size in footprint.by_kind().items() if size}
    legend = [
        Patch(fc=colour, label=f"{name} {100 * shares[kind]:.1f} %")
        for kind, (name, colour) in _KINDS.items()
        if kind in shares
    ]
    above = 1 + 0.28 / height
    figure.legend(handles=legend, ncols=len(legend), loc="lower right", bbox_to_anchor=(1, above), borderpad=0)
    heading = ": ".join(filter(None, (title, f"{footprint.total:,} bytes")))
    figure.suptitle(heading, x=0, y=above, ha="left", va="bottom", fontweight="bold")
    return figure


def _bars(axes: Axes, sizes: Mapping[str, Mapping[str, float]]) -> None:
    """One bar per name, from the top down, split by kind."""
    largest = max((sum(kinds.values()) for kinds in sizes.values()), default=1)
    divisor, unit = next((pair for pair in _UNITS if largest >= pair[0]), _UNITS[-1])
    before = [0.0] * len(sizes)
    for kind, (_, colour) in _KINDS.items():
        widths = [kinds.get(kind, 0) / divisor for kinds in sizes.values()]
        axes.barh(range(len(sizes)), widths, 0.76, before, color=colour, lw=0)
        before = [start + width for start, width in zip(before, widths, strict=True)]
    axes.set_yticks(range(len(sizes)), list(sizes))
    axes.set_ylim(len(sizes) - 0.4, -0.6)
    axes.set_xlim(0, 1.05 * max(largest, 1) / divisor)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(unit)
    axes.grid(axis="x", color="#e6e6e6", lw=0.5)
    axes.set_axisbelow(True)
