"""Float32 tensors as fields: integers times the steps of their rows, or numbers as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vcl.codec.fields import FieldReader, FieldWriter
from vcl.codec.symbols import pack_arrays, unpack_arrays
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


@dataclass(frozen=True)
class Place:
    """Numbers that a reader expects.

    Args:
        rows: ``(n,)``, the row of each.
        row_count: rows that there are; those without a number have no step.
        drawn: first values of weights; None for numbers that have none.
    """

    rows: NDArray[np.int32]
    row_count: int
    drawn: Drawn | None = None


@dataclass(frozen=True)
class Numbers:
    """Numbers in their place.

    Args:
        values: ``(n,)``.
        steps: ``(row_count,)``, 1 for a row without a number; None for numbers that are no integers.
        bits: that they took in the file.
    """

    values: Floats
    steps: Floats | None
    bits: float = 0.0


def write_numbers(
    writer: FieldWriter, tensors: Sequence[tuple[Numbers, Place]], bounds: Sequence[float | None] = ()
) -> None:
    """Write tensors, each in whatever way takes the fewest bytes.

    Args:
        writer: takes them.
        tensors: and where they belong.
        bounds: of the first values of each tensor, where its place has some; None codes the integers by themselves.

    Raises:
        BitstreamError: a number is not an integer times its step.
    """
    floats: list[Floats] = []
    steps: list[NDArray[np.int32]] = []
    integers: list[NDArray[np.int32]] = []
    for number, (numbers, place) in enumerate(tensors):
        if numbers.steps is None:
            writer.number("B", _FLOATS)
            floats.append(numbers.values)
            continue
        coder, bound, coded = _shortest(numbers, place, bounds[number] if bounds else None)
        writer.number("B", coder)
        if coder != _INTEGERS:
            writer.number("d", bound)
        steps.append(_indices(numbers.steps[np.unique(place.rows)]))
        integers.append(coded)
    for values in floats:
        writer.raw(values.astype("<f4").tobytes())
    writer.raw(pack_arrays([*steps, *integers]))


def read_numbers(reader: FieldReader, places: Sequence[Place]) -> list[Numbers]:
    """What ``write_numbers`` wrote, up to the end of the payload.

    Args:
        reader: at the first of them.
        places: of the tensors.

    Raises:
        BitstreamError: the payload is malformed.
    """
    coders = [_read_coder(reader, place) for place in places]
    floats = [
        np.frombuffer(reader.raw(4 * p.rows.size), "<f4")
        for p, (c, _) in zip(places, coders, strict=True)
        if c == _FLOATS
    ]
    coded = [(place, coder) for place, coder in zip(places, coders, strict=True) if coder[0] != _FLOATS]
    present = [np.unique(place.rows) for place, _ in coded]
    counts = [rows.size for rows in present] + [place.rows.size for place, _ in coded]
    arrays, bits = unpack_arrays(reader.rest(), counts)
    tensors, as_they_are, number = [], iter(floats), 0
    for place, (coder, bound) in zip(places, coders, strict=True):
        if coder == _FLOATS:
            tensors.append(Numbers(next(as_they_are).astype(np.float32), None, 32.0 * place.rows.size))
            continue
        steps = np.ones(place.row_count, np.float32)
        steps[present[number]] = _steps(arrays[number])
        integers, of_number = arrays[len(coded) + number], steps[place.rows]
        if coder != _INTEGERS and place.drawn is not None:
            integers = integers + place.drawn.integers(coder, bound, of_number)
        spent = bits[number] + bits[len(coded) + number]
        tensors.append(Numbers(integers.astype(np.float32) * of_number, steps, spent))
        number += 1
    return tensors


def _shortest(numbers: Numbers, place: Place, bound: float | None) -> tuple[int, float, NDArray[np.int32]]:
    """How integers are best coded, the bound of first values, and what is coded."""
    assert numbers.steps is not None
    steps = numbers.steps[place.rows]
    integers = np.rint(numbers.values / steps).astype(np.int32)
    if not np.array_equal(integers * steps, numbers.values):
        raise BitstreamError("a number with a step must be an integer times that step")
    candidates = {_INTEGERS: integers}
    if bound is not None and place.drawn is not None:
        for coder in (_DRAWN_ONCE, _DRAWN_ANEW):
            candidates[coder] = integers - place.drawn.integers(coder, bound, steps)
    coder = min(candidates, key=lambda coder: _entropy(candidates[coder]))
    return coder, bound or 0.0, candidates[coder]


def _entropy(integers: NDArray[np.int32]) -> float:
    """Bits that integers take at least."""
    counts = np.unique(integers, return_counts=True)[1]
    return float((counts * -np.log2(counts / max(1, integers.size))).sum())


def _read_coder(reader: FieldReader, place: Place) -> tuple[int, float]:
    coder = reader.at_most("B", _INTEGERS if place.drawn is None else _DRAWN_ANEW, "the coder of numbers")
    bound = reader.real() if coder in (_DRAWN_ONCE, _DRAWN_ANEW) else 0.0
    if not 0 <= bound <= _LARGEST_BOUND:
        raise BitstreamError(f"the bound of first weights must lie in [0, {_LARGEST_BOUND:g}], got {bound:g}")
    return coder, bound


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
