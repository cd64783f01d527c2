"""Draws the middle frame of the first video as each network of a grid has learned it, beside the true one.

python experiments/backbones/figure.py runs/backbones/bunny frames.jpg
"""

import sys
from collections.abc import Iterable
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.image import imread

from vcl.report.figures.style import bare, styled
from vcl.report.summary import summarise
from vcl.rundir import RunFolder

COLUMNS = 3


@styled
def panels(runs: Iterable[Path]) -> Figure:
    """A picture of each run, with the PSNR of the whole video, the best first; before them the true frame."""
    summaries = {run: summarise(RunFolder.existing(run)) for run in runs}
    best_first = sorted(summaries, key=lambda run: -summaries[run].last[0])
    pictures = {"truth": best_first[0] / "frames" / "000_true.png"}
    for run in best_first:
        title = f"{summaries[run].config.backbone.name}, {summaries[run].last[0]:.2f} dB"
        pictures[title] = run / "frames" / "000_decoded.png"
    rows = -(-len(pictures) // COLUMNS)
    figure = Figure(figsize=(7.2, 1.42 * rows), layout="constrained")
    axes = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for ax in axes:
        bare(ax)
    for ax, (title, path) in zip(axes, pictures.items(), strict=False):
        ax.imshow(imread(path))
        ax.set_title(title, pad=3)
    return figure


if __name__ == "__main__":
    grid, out = map(Path, sys.argv[1:])
    panels(matrix.parent for matrix in grid.rglob("matrix.json")).savefig(out, dpi=80)
