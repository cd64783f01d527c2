"""What this machine makes of vcl: timings that can be believed, each beside what it is measured against.

A benchmark is a file with a function ``measure`` and a line in the table below.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vcl.bench.table import Table
    from vcl.config import RunConfig

BENCHMARKS = {
    "step": "a training step against forward and backward of the plain dense network of the same widths",
    "loop": "a training step against the same step in a bare loop",
    "mask": "ranking all scores, beside a training step",
    "fourier": "the operator, forward and backward, against the convolution path of its block",
    "decode": "frames a second of a session, against the plain dense network",
    "loader": "the input side beside a training step, and the time from the command to the first step",
    "sessions": "what a session costs when many came before it",
}
"""Name to what it measures."""


def run_benchmark(name: str, config: RunConfig, rounds: int) -> Table:
    """Measure.

    Args:
        name: a key of ``BENCHMARKS``.
        config: whose network, method, recipe and stream are measured.
        rounds: how often everything takes its turn; ``sessions`` takes it as the number of sessions.

    Raises:
        VclError: the config cannot be measured so.
    """
    table: Table = import_module(f"vcl.bench.{name}").measure(config, rounds)
    return table


__all__ = ["BENCHMARKS", "run_benchmark"]
