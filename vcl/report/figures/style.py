"""The style that all figures share, and how they are written to files."""

from __future__ import annotations

import functools
import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from vcl.atomic_file import atomic_file
from vcl.errors import RunFolderError
from vcl.folder_lock import shared_lock
from vcl.report.figures.fonts import add_fallback_fonts

DPI = 150
"""Dots per inch of a PNG."""

INK, DIM, GREY, PALE = "#222222", "#5a5a5a", "#8a8a8a", "#f3f3f3"
"""Text and strong lines; secondary text; faint lines; empty background."""

BLUE, SKY, ORANGE = "#3465a4", "#c3cfe0", "#d9822b"
"""Colours of lines and bars, which differ in print and for colour-blind readers too."""

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a4f9e", "#7f4f24")
"""Colours of methods, those of Okabe and Ito for colour-blind readers but for the last two."""

MARKERS = "osD^vP*X<>hp"
"""Of methods: shapes tell them apart too."""

_FONT = "DejaVu Sans"
"""Comes with matplotlib, so that figures look the same everywhere."""

_RC: dict[Any, Any] = {
    "font.family": [_FONT],
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "text.parse_math": False,  # Names may contain dollar signs.
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

Colour = tuple[float, float, float]
"""Red, green and blue, each in [0, 1]."""


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Decorate a drawing function to use our style, whatever the user's own matplotlib settings are."""

    @functools.wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with _house_style():
            figure = draw(*args, **kwargs)
            add_fallback_fonts(figure, _FONT)
            return figure

    return drawn


@contextmanager
def _house_style() -> Iterator[None]:
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from")  # ``add_fallback_fonts`` logs it once.
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_RC)
        yield


def contrast(one: Colour, other: Colour) -> float:
    """Contrast of two colours, from 1 to 21; text is easy to read from 4.5 on.

    Args:
        one: red, green and blue in [0, 1].
        other: the same.

    Source:
        Web Content Accessibility Guidelines 2.1, relative luminance of sRGB.
    """
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def ink_on(background: Colour) -> str:
    """Black or white, whichever is easier to read on a background; the contrast is then at least 4.5."""
    return max("black", "white", key=lambda ink: contrast(to_rgb(ink), background))


def _luminance(colour: Colour) -> float:
    linear = [level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4 for level in colour]
    return sum(weight * level for weight, level in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def figure_bytes(figure: Figure, kind: str) -> bytes:
    """Render a figure.

    Args:
        figure: to be rendered.
        kind: ``png`` or ``pdf``.

    Returns:
        The content of the file, without a date, so that equal figures give equal files.
    """
    content = io.BytesIO()
    with _house_style():
        metadata = {"CreationDate": None} if kind == "pdf" else {"Software": None}
        figure.savefig(content, format=kind, dpi=DPI, bbox_inches="tight", pad_inches=0.08, metadata=metadata)
    return content.getvalue()


def write_figure(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write a figure as PNG and as PDF; each file appears whole or not at all.

    Args:
        figure: to be written.
        folder: where the files go; created if missing.
        name: file name without the suffix.

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
            with shared_lock(folder), atomic_file(path) as draft:
                draft.file.write(content)
        except OSError as error:
            raise RunFolderError(f"{path} cannot be written: {error.strerror or error}") from error
    return paths


def bare(axes: Axes) -> None:
    """Remove frame and ticks, for panels that need none."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
