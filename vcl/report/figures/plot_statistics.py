"""The figures of the statistics of runs, from their folders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from vcl.errors import VclError
from vcl.report.figures.statistics import (
    frame_spectra_figure,
    runs_spectra_figure,
    runs_variance_figure,
    spectra_figure,
    subnetworks_figure,
    variance_figure,
)
from vcl.report.figures.style import write_figure
from vcl.report.statistics import statistics_of
from vcl.report.subnetworks import subnetworks_of
from vcl.report.summary import label
from vcl.rundir import RunFolder
from vcl.wording import printable


def statistics_figures(folder: RunFolder, statistics: Mapping[str, Any] | None = None) -> dict[str, Figure]:
    """Draw the statistics of a run; figures without data, such as those of a network without maps, are left out.

    Args:
        folder: the run.
        statistics: its own; default those that it keeps, made where it lacks them.

    Returns:
        By name.

    Raises:
        VclError: nothing can be decoded, or the statistics cannot be written.
    """
    statistics = statistics_of(folder) if statistics is None else statistics
    videos = [printable(folder.session_notes(session).video) for session in range(folder.sessions())]
    title, figures = label(folder.config().method), dict[str, Figure]()
    if statistics["layers"]:
        figures["variance"] = variance_figure(statistics["layers"], videos, f"{title}: variance of feature maps")
    if statistics["spectra"]:
        figures["spectra"] = spectra_figure(statistics["spectra"], f"{title}: spectra of blocks, before activation")
    figures["frame_spectra"] = frame_spectra_figure(statistics["frames"], f"{title}: spectra of frames")
    if (shared := subnetworks_of(folder)) is not None:
        figures["subnetworks"] = subnetworks_figure(shared, videos, f"{title}: what subnetworks share")
    return figures


def plot_statistics(folder: RunFolder, statistics: Mapping[str, Any] | None = None) -> list[Path]:
    """Write ``statistics_figures`` as PNG and PDF into the run's ``figures`` folder; raises as that does."""
    return [
        path
        for name, figure in statistics_figures(folder, statistics).items()
        for path in write_figure(figure, folder.figures, name)
    ]


def plot_runs_statistics(runs: Mapping[str, Mapping[str, Any]], into: Path) -> list[Path]:
    """Draw the statistics of several runs side by side, as PNG and PDF.

    Args:
        runs: by name, as of ``statistics_of``.
        into: folder of the figures.

    Returns:
        Paths of the files, two per figure.

    Raises:
        VclError: no run has feature maps or spectra of residuals, or files cannot be written.
    """
    figures = dict[str, Figure]()
    if any(statistics["layers"] for statistics in runs.values()):
        figures["variance"] = runs_variance_figure(runs)
    if any(statistics["spectra"] or len(statistics["frames"]) > 1 for statistics in runs.values()):
        figures["spectra"] = runs_spectra_figure(runs)
    if not figures:
        raise VclError("a figure of several runs must have feature maps or true frames, got neither")
    return [path for name, figure in figures.items() for path in write_figure(figure, into, name)]
