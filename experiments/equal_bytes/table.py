"""What the runs of a grid come to as libraries: a table as CSV, and each method beside ``single`` at equal bytes.

python experiments/equal_bytes/table.py runs/equal_bytes equal_bytes.csv
"""

import csv
import math
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from vcl.codec.library import Library
from vcl.export import export
from vcl.rundir import RunFolder

METHODS = {
    "wsn": "wsn, c = 30 %",
    "wsn_priced": "wsn, c = 20 %, priced masks",
    "pfnr_block1": "pfnr block 1",
    "packnet": "packnet",
    "residual": "residual",
    "single": "a network each",
}


def row_of(run: Path) -> dict[str, str]:
    """A line of the table; decoding is timed in processor time, so run it with one thread (``OMP_NUM_THREADS=1``)."""
    folder = RunFolder.existing(run)
    last = (folder.matrix() or {"rows": [{}]})["rows"][-1]
    with TemporaryDirectory() as place:
        path = Path(place) / "run.vcl"
        export(folder, path, strict=False)
        library = Library.open(path)
        footprint, sessions = library.footprint(), len(library.videos)
        size, pixels = path.stat().st_size, sum(video.frames * math.prod(video.size) for video in library.videos)
        library.subnetwork(sessions - 1)
        began = time.process_time()
        frames = sum(len(batch) for batch in library.frames(sessions - 1))
        seconds = time.process_time() - began
    sizes = footprint.by_kind()
    count = sum(shape.numel() for shape in library.ledger().shapes.values())
    return {
        "run": run.name,
        "method": METHODS.get(run.name.rsplit("_", 1)[0], run.name),
        "weights": str(count),
        "psnr": f"{sum(last['psnr']) / sessions:.3f}",
        "ssim": f"{sum(last['ssim']) / sessions:.4f}",
        "bytes": str(size),
        **{f"{kind}_bytes": str(sizes[kind]) for kind in ("mask", "weight", "side")},
        "bits_per_pixel": f"{8 * size / pixels:.5f}",
        "mask_bits_per_weight": f"{8 * sizes['mask'] / sessions / count:.3f}",
        "decode_frames_per_cpu_second": f"{frames / seconds:.1f}",
        **{f"psnr_{session}": f"{quality:.2f}" for session, quality in enumerate(last["psnr"])},
        **{f"bytes_{session}": str(part.total) for session, part in enumerate(footprint.sessions)},
    }


def at_rate(points: Iterable[tuple[float, float]], rate: float) -> float:
    """The second number of points at a rate, read off straight lines over its logarithm, the outer ones prolonged."""
    line = sorted(points)
    at = next((i for i in range(len(line) - 2) if rate <= line[i + 1][0]), len(line) - 2)
    (low, first), (high, second) = line[at], line[at + 1]
    return first + (second - first) * math.log(rate / low) / math.log(high / low)


def beside_single(rows: Iterable[Mapping[str, str]]) -> str:
    """PSNR of each run less that of a network each at the same bits per pixel; of the same bytes, by session."""
    table = list(rows)
    single = [row for row in table if row["method"] == METHODS["single"]]
    sessions = [key[6:] for key in table[0] if key.startswith("bytes_")]
    lines = []
    for row in table:
        if row in single or len(single) < 2:
            continue
        of_all = at_rate([(float(s["bits_per_pixel"]), float(s["psnr"])) for s in single], float(row["bits_per_pixel"]))
        apart = [
            float(row[f"psnr_{n}"])
            - at_rate([(float(s[f"bytes_{n}"]), float(s[f"psnr_{n}"])) for s in single], float(row[f"bytes_{n}"]))
            for n in sessions
        ]
        by_session = " ".join(f"{difference:+.1f}" for difference in apart)
        lines.append(
            f"{row['run']}: {float(row['psnr']) - of_all:+.2f} dB to single at its bytes; by session {by_session}\n"
        )
    return "".join(lines)


if __name__ == "__main__":
    runs, out = map(Path, sys.argv[1:])
    table = [row_of(run) for run in sorted(path.parent for path in runs.glob("*/matrix.json"))]
    with out.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(table[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
    sys.stdout.write(beside_single(table))
