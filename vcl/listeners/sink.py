"""What is tracked of a run, and what a sink must offer that writes it somewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

AXES = {
    "epoch": "train/step",
    "session": "shares/session",
    "row": "matrix/session",
    "probe": "transfer/session",
    "scratch": "scratch/session",
    "statistics": "statistics/session",
}
"""Kind of event to the horizontal axis of its charts; the last is that of figures which are added to a run later. W&B
drops what is logged at a smaller step than before, and a run that resumes from a checkpoint repeats some events; on
these axes repeated events are recognised and skipped."""


@dataclass(frozen=True)
class Table:
    """A table of names and numbers.

    Args:
        columns: their headings.
        rows: cells from left to right; None is an empty one.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[float | None]]


@dataclass(frozen=True)
class Picture:
    """A picture.

    Args:
        png: the content of a PNG file.
    """

    png: bytes


Value = float | Table | Picture


class Sink(Protocol):
    """A place that values are written to. Whatever its methods raise, the run goes on without it."""

    title: str
    """Its name in messages."""
    logged: dict[str, float]
    """By axis, the largest position that it has."""
    hint: str | None
    """How to look at what it holds, in one line; None where it has logged that itself, as W&B does online."""

    def write(self, axis: str, position: int, values: Mapping[str, Value]) -> None:
        """Write values, by their names, at a position on one of ``AXES``."""

    def close(self) -> None:
        """Write what is not written yet."""


def one_line(error: Exception) -> str:
    """The message of an error on one line, or its type where it has none."""
    return " ".join(str(error).split()) or type(error).__name__
