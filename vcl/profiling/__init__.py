"""Benchmarks of vcl on this machine; each time is compared with a baseline that is measured in the same process.

A benchmark is a file with a function ``measure``, and a line in the table below.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vcl.config import RunConfig
    from vcl.profiling.table import Table

BENCHMARKS = {
    "step": "a training step against forward and backward of the plain dense network of the same widths",
    "loop": "a training step against the same step in a bare loop",
    "mask": "ranking all scores, against a training step",
    "fourier": "the operator, forward and backward, against the convolution path of its block",
    "decode": "frames per second of a session, against the plain dense network",
    "evaluate": "measuring a video for the matrix, against decoding it",
    "loader": "loading a batch, against a training step, and the time from the command to the first step",
    "codec": "coding weights and masks of the network's size, against zlib and against their entropy",
    "sessions": "the cost of a session after many others",
    "ranks": "training in several processes against one, and what it would be at 720x1280, by calculation",
    "classical": "bytes, PSNR and speed of x264, x265 and SVT-AV1 on the videos of the config",
}
"""Name of a benchmark to what it measures."""


def run_benchmark(name: str, config: RunConfig, rounds: int | None = None, **choices: Any) -> Table:
    """Run a benchmark.

    Args:
        name: a key of ``BENCHMARKS``.
        config: its network, method, recipe and stream are measured.
        rounds: how often everything is timed; for ``sessions``, how many sessions; for ``classical``, how many CRFs.
            Default: that of the benchmark.
        choices: what else the benchmark's ``measure`` takes.

    Raises:
        VclError: the benchmark does not apply to the config.
    """
    from vcl import config as configs

    benchmark = import_module(f"vcl.profiling.{name}")
    table: Table = benchmark.measure(config, rounds or benchmark.ROUNDS, **choices)
    return table if table.config else replace(table, config=configs.to_dict(config))


__all__ = ["BENCHMARKS", "run_benchmark"]
