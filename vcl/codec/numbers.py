"""Float32 numbers as a section: integers times the steps of their rows, or as they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vcl.codec.fields import FieldReader, FieldWriter
from vcl.codec.symbols import pack_integers, unpack_integers
from vcl.errors import BitstreamError
from vcl.layers import init
from vcl.layers.quantise import MANTISSA

_FLOATS, _INTEGERS, _DRAWN_ONCE, _DRAWN_ANEW = range(4)
"""How numbers are coded: as they are; as integers; as what integers have moved from the first weights, drawn once for a
run, or anew by the session."""

_LARGEST_EXPONENT = 60
"""Of a step; those of networks lie near 2^-10."""

_LARGEST_BOUND = 1e3
"""Of first weights; those of networks are below 10."""

_FARTHEST = 1000
"""Largest integer that a first weight stands for, where steps are much smaller than it."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Drawn:
    """The first values of some weights, which a reader draws again.

    Args:
        seed: of the run.
        name: of the weight tensor.
        session: that may have drawn them anew.
        count: weights of the tensor.
        chosen: boolean, ``(count,)``: those in question; None for all.
    """

    seed: int
    name: str
    session: int
    count: int
    chosen: NDArray[np.bool_] | None = None

    def integers(self, coder: int, bound: float, steps: Floats) -> NDArray[np.int32]:
        """The nearest integers of the first values.

        Args:
            coder: says which draw.
            bound: of a first value.
            steps: of each weight.
        """
        anew = (self.session,) if coder == _DRAWN_ANEW else ()
        values = init.drawn_values(self.count, bound, self.seed, "value", self.name, *anew)
        values = values if self.chosen is None else values[self.chosen]
        integers: NDArray[np.int32] = np.rint(np.clip(values / steps, -_FARTHEST, _FARTHEST)).astype(np.int32)
        return integers


def write_numbers(
    writer: FieldWriter,
    values: Floats,
    rows: NDArray[np.integer],
    steps: Floats | None,
    drawn: tuple[Drawn, float] | None = None,
) -> dict[str, int]:
    """Write numbers, in whatever way takes the fewest bytes.

    Args:
        writer: takes them.
        values: ``(n,)``.
        rows: ``(n,)``, the row of each.
        steps: of all rows; None for numbers that are no integers. Only steps of rows that occur are written.
        drawn: their first values and the bound of these, where they are weights.

    Returns:
        Bytes of ``integers`` (or floats) and of ``steps``.

    Raises:
        BitstreamError: a number is not an integer times its step.
    """
    if steps is None:
        writer.number("B", _FLOATS)
        writer.raw(values.astype("<f4").tobytes())
        return {"integers": values.nbytes, "steps": 0}
    integers = np.rint(values / steps[rows])
    if not np.array_equal(integers * steps[rows], values):
        raise BitstreamError("a number with a step must be an integer times that step")
    coded_steps = pack_integers(_indices(steps[np.unique(rows)]))
    coded = {_INTEGERS: pack_integers(integers.astype(np.int32))}
    if drawn is not None:
        weights, bound = drawn
        for coder in (_DRAWN_ONCE, _DRAWN_ANEW):
            moved = integers.astype(np.int32) - weights.integers(coder, bound, steps[rows])
            coded[coder] = pack_integers(moved)
    coder = min(coded, key=lambda coder: len(coded[coder]))
    writer.number("B", coder)
    if coder != _INTEGERS and drawn is not None:
        writer.number("d", drawn[1])
    writer.block(coded_steps)
    writer.block(coded[coder])
    return {"integers": len(coded[coder]), "steps": len(coded_steps)}


def read_numbers(
    reader: FieldReader, rows: NDArray[np.integer], row_count: int, drawn: Drawn | None = None
) -> tuple[Floats, Floats | None]:
    """What ``write_numbers`` wrote.

    Args:
        reader: at the first of them.
        rows: the row of each number.
        row_count: how many rows there are.
        drawn: as for ``write_numbers``.

    Returns:
        ``(n,)``; and the steps of all rows, 1 where none was written.

    Raises:
        BitstreamError: the section is malformed.
    """
    coder = reader.at_most("B", _INTEGERS if drawn is None else _DRAWN_ANEW, "the coder of numbers")
    if coder == _FLOATS:
        return np.frombuffer(reader.raw(4 * rows.size), "<f4").astype(np.float32), None
    bound = reader.real() if coder != _INTEGERS else 0.0
    if not 0 <= bound <= _LARGEST_BOUND:
        raise BitstreamError(f"the bound of first weights must lie in [0, {_LARGEST_BOUND:g}], got {bound:g}")
    present = np.unique(rows)
    steps = np.ones(row_count, np.float32)
    steps[present] = _steps(unpack_integers(reader.block(), present.size))
    integers = unpack_integers(reader.block(), rows.size)
    if coder != _INTEGERS and drawn is not None:
        integers = integers + drawn.integers(coder, bound, steps[rows])
    return integers.astype(np.float32) * steps[rows], steps


def _indices(steps: Floats) -> NDArray[np.int32]:
    """Steps (16 + f) · 2^e as 16 e + f."""
    fraction, exponent = np.frexp(steps)
    mantissa = fraction * (2 * MANTISSA)
    if not np.array_equal(np.rint(mantissa), mantissa):
        raise BitstreamError(f"a step must have {MANTISSA} values in an octave")
    indices: NDArray[np.int32] = (MANTISSA * (exponent - 5) + mantissa - MANTISSA).astype(np.int32)
    return indices


def _steps(indices: NDArray[np.int32]) -> Floats:
    exponent = indices // MANTISSA
    if indices.size and int(np.abs(exponent).max()) > _LARGEST_EXPONENT:
        raise BitstreamError(f"the exponent of a step must lie within ±{_LARGEST_EXPONENT}")
    return np.ldexp((MANTISSA + indices % MANTISSA).astype(np.float32), exponent).astype(np.float32)
