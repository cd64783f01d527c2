"""Runs of a grid of networks as a table: numbers, work, quality and times.

python experiments/backbones/table.py runs/backbones/bunny runs/backbones/davis
"""

import sys
from pathlib import Path

from vcl import backbones
from vcl.backbones.size_matching import numbers_of
from vcl.plan.network import macs_of, network_of
from vcl.report.summary import Summary, summarise
from vcl.rundir import RunFolder

HEAD = (
    "| network | shared | session | frames | GMAC a frame | training (s) | decoding (frames/s) | PSNR (dB) | by video "
    "| SSIM | MS-SSIM |\n| --- |" + " ---: |" * 10
)


def row_of(summary: Summary) -> str:
    """A line of the table."""
    config = backbones.resolved(summary.config, max(summary.frames))
    shared, own, frames = numbers_of(network_of(config, len(summary.videos)), max(summary.frames))
    likeness = (summary.averages[name] for name in ("ssim", "ms_ssim"))
    cells = [
        f"{config.backbone.name}",
        *(f"{count:,}" for count in (shared, own, frames)),
        f"{macs_of(config) / 1e9:.3f}",
        f"{summary.seconds:,.0f}",
        f"{summary.decode_fps or 0:,.1f}",
        f"{summary.psnr:.2f}",
        " / ".join(f"{quality:.2f}" for quality in summary.last),
        *("n/a" if value is None else f"{value:.4f}" for value in likeness),
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    for grid in map(Path, sys.argv[1:]):
        runs = [summarise(RunFolder.existing(matrix.parent)) for matrix in grid.rglob("matrix.json")]
        rows = [row_of(summary) for summary in sorted(runs, key=lambda summary: -(summary.psnr or 0))]
        sys.stdout.write("\n".join(["", grid.name, "", HEAD, *rows, ""]))
