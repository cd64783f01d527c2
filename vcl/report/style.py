"""The look that all figures share, and the way they are written."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vcl.errors import RunFolderError
from vcl.folder_lock import shared_lock
from vcl.whole_file import whole_file

DPI = 150
"""Dots an inch of a PNG."""

INK, DIM, GREY, PALE = "#222222", "#5a5a5a", "#8a8a8a", "#f3f3f3"
"""Text and strong lines; quieter text; what stands back; empty ground."""

BLUE, SKY, ORANGE = "#3465a4", "#c3cfe0", "#d9822b"
"""Colours of lines and bars, told apart in print and by colour-blind readers."""

_RC: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "figure.titlesize": 10,
    "hatch.linewidth": 0.4,
    "pdf.fonttype": 42,
}

P = ParamSpec("P")


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw in the house look, whatever the user's own matplotlib settings are."""

    @functools.wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with _house_look():
            return draw(*args, **kwargs)

    return drawn


@contextmanager
def _house_look() -> Iterator[None]:
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_RC)
        yield


def figure_bytes(figure: Figure, kind: str) -> bytes:
    """Render a figure.

    Args:
        figure: what to render.
        kind: ``png`` or ``pdf``.

    Returns:
        The file's content, without a date, so that equal figures are equal files.
    """
    content = io.BytesIO()
    with _house_look():
        stamp = {"CreationDate": None} if kind == "pdf" else {"Software": None}
        figure.savefig(content, format=kind, dpi=DPI, bbox_inches="tight", pad_inches=0.08, metadata=stamp)
    return content.getvalue()


def write_figure(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write a figure as PNG and as PDF; each file appears whole or not at all.

    Args:
        figure: what to write.
        folder: where to; made if missing.
        name: file name without its ending.

    Returns:
        Paths of the files.

    Raises:
        RunFolderError: they cannot be written.
    """
    paths = [folder / f"{name}.{kind}" for kind in ("png", "pdf")]
    for path in paths:
        content = figure_bytes(figure, path.suffix[1:])
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with shared_lock(folder), whole_file(path) as draft:
                draft.file.write(content)
        except OSError as error:
            raise RunFolderError(f"{path} cannot be written: {error.strerror or error}") from error
    return paths


def bare(axes: Axes) -> None:
    """Take away frame and ticks, for panels that explain themselves."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
