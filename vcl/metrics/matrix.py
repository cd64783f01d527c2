"""The session matrix: the quality of each video after each session, and the numbers that follow from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from vcl.errors import VclError

Cell = float | None
"""A measured number, or None where nothing was measured."""


@dataclass(frozen=True)
class SessionMatrix:
    """Quality A[s, j] of video j, decoded from the state saved after session s.

    A run in progress has fewer rows than videos; S is then the last session that has a row, and every number below
    covers the sessions so far. Cells with j > s belong to videos still to come: they may be empty and enter none of the
    numbers. Cells below the diagonal may be empty too, where hashes show that they equal it; while the last row is
    incomplete, all numbers are None. A row is empty where nothing was learned yet, as when all videos are learned at
    once, after the last; transfer and forgetting are then unknown. A metric that is undefined for the run's frames has
    only empty cells, and all its numbers are None.

    Args:
        rows: one per session from 0, each with a cell for every video of the stream.
        higher_is_better: of the metric, so that harm has the same sign whatever is measured.

    Raises:
        VclError: there are more rows than videos, rows differ in length, or a row has cells but none on the diagonal.
    """

    rows: tuple[tuple[Cell, ...], ...]
    higher_is_better: bool = True

    def __post_init__(self) -> None:
        for s, row in enumerate(self.rows):
            if len(row) != len(self.rows[0]) or len(row) <= s:
                raise VclError(f"row {s} of a session matrix must have a cell for every video, got {len(row)} cells")
        for s, row in enumerate(self.rows):
            if row[s] is None and any(cell is not None for cell in row):
                raise VclError(f"a session matrix must have every cell of its diagonal, got none at [{s}, {s}]")

    @classmethod
    def of(cls, rows: Sequence[Sequence[Cell]], higher_is_better: bool = True) -> SessionMatrix:
        """Build a matrix from plain lists, such as JSON holds."""
        return cls(tuple(tuple(row) for row in rows), higher_is_better)

    @property
    def defined(self) -> bool:
        """Whether any cell was measured."""
        return any(cell is not None for row in self.rows for cell in row)

    @property
    def last(self) -> tuple[float, ...]:
        """Quality of every video so far after the last session; empty where one of them was not measured."""
        cells = self.rows[-1][: len(self.rows)] if self.rows else ()
        measured = tuple(cell for cell in cells if cell is not None)
        return measured if len(measured) == len(cells) else ()

    def average(self) -> float | None:
        """Mean of the last row, over the videos so far."""
        return fmean(self.last) if self.last else None

    def backward_transfer(self) -> float | None:
        """Mean over j < S of A[S, j] - A[j, j], and its opposite for errors; below 0 where later sessions did harm.

        Returns:
            In the metric's unit; None, not 0, while there is one session only, as nothing was measured then.
        """
        return self._mean_gain(self._sealed())

    def forgetting(self) -> float | None:
        """Mean over j < S of max_s A[s, j] - A[S, j], with s from j to S; for errors A[S, j] - min_s A[s, j]; >= 0.

        The last row takes part in the maximum, so a video that improved counts as 0 and does not compensate for
        another one that was forgotten.

        Returns:
            In the metric's unit; None while there is one session only.
        """
        best_of = max if self.higher_is_better else min
        best = [None if cell is None else best_of(self._column(j)) for j, cell in enumerate(self._sealed())]
        gain = self._mean_gain(best)
        # 0.0 - x rather than -x: nothing forgotten must not read "-0.00".
        return None if gain is None else 0.0 - gain

    def _sealed(self) -> list[Cell]:
        """The diagonal without its last cell; empty where the last row is incomplete."""
        return [row[j] for j, row in enumerate(self.rows[:-1])] if self.last else []

    def _column(self, video: int) -> list[float]:
        """The measured cells of a video from its own session on."""
        return [cell for row in self.rows[video:] if (cell := row[video]) is not None]

    def _mean_gain(self, before: Sequence[Cell]) -> float | None:
        """Mean improvement of the earlier videos' last cells over ``before``; None where that was not measured."""
        known = [cell for cell in before if cell is not None]
        if not known or len(known) < len(before):
            return None
        change = fmean(now - then for now, then in zip(self.last[:-1], known, strict=True))
        return change if self.higher_is_better else 0.0 - change


def forward_transfer(after_k: Mapping[int, float], scratch_k: Mapping[int, float]) -> float | None:
    """What earlier sessions are worth to a new video: its lead over training from scratch.

    Args:
        after_k: by session, PSNR of its video after the first k epochs, dB.
        scratch_k: by session, the same for the same network trained on that video alone, dB.

    Returns:
        Mean difference over the sessions from 1 on that have both, dB; None where there is none. Session 0 has no
        earlier sessions and is left out.
    """
    both = [session for session in after_k if session >= 1 and session in scratch_k]
    return fmean(after_k[session] - scratch_k[session] for session in both) if both else None
