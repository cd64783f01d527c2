"""Draws PSNR against bits per pixel from the tables of ``experiments/results``, with classical codecs behind it.

python experiments/equal_bytes/figure.py figures/equal_bytes.png
"""

import csv
import sys
from itertools import groupby
from pathlib import Path

from vcl.report.classical import read_classical
from vcl.report.figures.rate import rate_figure
from vcl.report.rates import RatePoint

RESULTS = Path(__file__).parent.parent / "results"


def points(path: Path) -> dict[str, list[RatePoint]]:
    """Points of each method of a table, from the lowest rate on."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        method: sorted(
            (
                RatePoint(
                    float(row["bits_per_pixel"]), float(row["psnr"]), 0.0, float(row["decode_frames_per_cpu_second"])
                )
                for row in of_method
            ),
            key=lambda point: point.bits_per_pixel,
        )
        for method, of_method in groupby(rows, lambda row: row["method"])
    }


if __name__ == "__main__":
    figure = rate_figure(
        points(RESULTS / "equal_bytes_davis10_180.csv"), read_classical(RESULTS / "classical_davis10_180.csv")
    )
    figure.savefig(sys.argv[1], dpi=160, bbox_inches="tight")
