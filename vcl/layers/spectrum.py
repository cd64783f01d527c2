"""Frequencies of a layer of sines, chosen so that its spectrum is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vcl.layers import init

_GRID = 12
"""Steps of the coarse grid between 0 and the end of a band."""

Frequencies = NDArray[np.int64]


def frequencies(
    count: int, low: Sequence[int], band: Sequence[int], low_share: float
) -> tuple[Frequencies, NDArray[np.bool_]]:
    """Whole frequencies on D axes: one turn on each axis, then a share of low ones, and the rest from a coarse grid.

    Of each two opposite ones there is one, as a phase makes one the other. Where a band holds fewer than are wanted,
    they are taken again, to have other phases. The same arguments give the same frequencies on every machine.

    Args:
        count: how many.
        low: on each axis, the largest of the low ones.
        band: on each axis, the largest of all.
        low_share: share of the low ones, in [0, 1].

    Returns:
        ``(count, D)``, and ``(count,)``: which are low.

    Source:
        Novello et al., CVPR 2025 (TUNER).
    """
    axes = len(band)
    turns = np.eye(axes, dtype=np.int64)
    small = _half([range(-end, end + 1) for end in low])
    small = small[np.abs(small).sum(1) > 1]
    grid = _half([_grid(end) for end in band])
    grid = grid[~_within(grid, low)]
    free = max(0, count - axes)
    of_low = round(low_share * free) if len(grid) else free
    of_low = of_low if len(small) else 0
    chosen = np.concatenate((turns, _drawn(small, of_low), _drawn(grid, free - of_low)))[:count]
    return chosen, _within(chosen, low)


def _grid(end: int) -> range:
    step = max(1, end // _GRID)
    return range(-(end // step) * step, end + 1, step)


def _half(axes: Sequence[range]) -> Frequencies:
    """All frequencies of a grid whose first number that is not 0 is positive, ``(n, D)``."""
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
    return grid[len(grid) // 2 + 1 :]  # In order, those before 0 are the opposites of those behind it.


def _within(some: Frequencies, ends: Sequence[int]) -> NDArray[np.bool_]:
    return np.asarray((np.abs(some) <= np.array(ends)).all(1))


def _drawn(some: Frequencies, count: int) -> Frequencies:
    """So many at random, none a second time before each was taken."""
    order = np.argsort(init.drawn_integers(len(some), "frequencies", *some.shape), kind="stable")
    return some[np.resize(order, count)] if count else some[:0]
