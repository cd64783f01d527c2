"""What the page shows of runs, as one object that JSON can hold."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vcl import __version__
from vcl.atomic_file import atomic_file
from vcl.errors import VclError
from vcl.metrics.registry import METRICS
from vcl.report.comparison import Comparison, compare_runs, run_names
from vcl.report.page.allowance import FRAMES, share_out
from vcl.report.page.comparison_view import comparison_view
from vcl.report.page.help import HELP
from vcl.report.page.kept import Kept
from vcl.report.page.pictures import Pictures
from vcl.report.page.provenance import utc
from vcl.report.page.render import render
from vcl.report.page.run_view import run_title, run_view
from vcl.report.published import Published
from vcl.report.summary import read_matrix
from vcl.rundir import RunFolder
from vcl.wording import printable

log = logging.getLogger(__name__)

_MOST_EPOCHS = 30_000
"""Epochs of all runs of a page that are shown, about: 1.5 MB."""


def report_of(
    folders: Sequence[RunFolder],
    frames: int = FRAMES,
    title: str | None = None,
    published: Sequence[Published] = (),
    kept: Kept | None = None,
    live: bool = False,
) -> dict[str, Any]:
    """Gather all that a page shows.

    Args:
        folders: the runs, finished or not, in the order of the page; one that is there twice is shown once.
        frames: evenly spaced frames of each video to show, fewer where the page would be too large; 0 for none, so
            that nothing is decoded.
        title: of the page; default the run and its method, or how many runs there are.
        published: numbers that papers report.
        kept: what an earlier page of the same runs left.
        live: whether the page is to be written again while a run goes on, so that it loads itself again.

    Returns:
        Dicts, lists, texts, finite numbers and None.

    Raises:
        VclError: a folder is damaged.
    """
    kept = kept or Kept()
    kept.begin_page()
    folders = list({folder.path.resolve(): folder for folder in folders}.values())
    names = run_names(folders)
    matrices = [read_matrix(folder) for folder in folders]
    measured = [index for index, matrix in enumerate(matrices) if matrix is not None and matrix["rows"]]
    comparison = _compared(folders, names, measured)
    summaries = {run.run: run for runs in comparison.groups.values() for run in runs}
    sizes = [folder.config().stream.size for folder in folders]
    videos = [sha256 for folder in folders for start in folder.events("start")[-1:] for sha256 in start["sha256"]]
    largest = max(sizes, key=lambda size: size[0] * size[1])
    pictures = Pictures(share_out(max(1, len(videos)), max(1, len(set(videos))), frames, largest), kept)
    runs = []
    for folder, name, matrix in zip(folders, names, matrices, strict=True):
        if len(folders) > 1:
            log.info("%s", name)  # Decoding takes a while.
        run = run_view(folder, name, matrix, summaries.get(name), _MOST_EPOCHS // len(folders), kept)
        runs.append({**run, "clips": pictures.of_run(folder, matrix)})
    return {
        "title": printable(title) if title else _title(folders, names),
        "written": utc(time.time()),
        "version": __version__,
        "live": live,
        "metrics": [
            {key: getattr(metric, key) for key in ("name", "label", "unit", "digits", "higher_is_better")}
            for metric in METRICS.values()
        ],
        "help": HELP,
        "runs": runs,
        "clips": pictures.clips,
        "comparison": comparison_view(comparison, names, published) if measured else None,
    }


def _compared(folders: Sequence[RunFolder], names: Sequence[str], measured: Sequence[int]) -> Comparison:
    """The runs that have a row, by the names that they have among all."""
    if not measured:
        return Comparison({})
    return compare_runs([folders[index] for index in measured], names=[names[index] for index in measured])


def _title(folders: Sequence[RunFolder], names: Sequence[str]) -> str:
    if len(folders) == 1:
        return f"{names[0]}: {run_title(folders[0].config())}"
    return f"{len(folders)} runs side by side"


def write_page(path: Path, report: dict[str, Any]) -> int:
    """Write a page, which appears whole or not at all.

    Returns:
        Its bytes.

    Raises:
        VclError: it cannot be written.
    """
    content = render(report).encode()
    try:
        with atomic_file(path) as draft:
            draft.file.write(content)
    except OSError as error:
        raise VclError(f"the page must be a file that can be written, got {path} ({error.strerror})") from error
    return len(content)
