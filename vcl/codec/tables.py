"""Static frequency tables of integers, and the few bytes that carry them.

Everything that a reader derives from a table is integer arithmetic, so every machine reads the same symbols.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vcl.errors import BitstreamError, VclError

PRECISION = 14
"""Frequencies of a table sum to ``2**PRECISION``."""

TOTAL = 1 << PRECISION

MAX_SYMBOLS = 1 << 12

_HEADER = struct.Struct("<iHB")
_UNIFORM = PRECISION + 2
"""In place of a Rice parameter, which is at most 15: all frequencies as equal as they can be."""


@dataclass(frozen=True)
class FrequencyTable:
    """How frequent each integer of a contiguous range is.

    Args:
        lowest: the integer that the first frequency belongs to, int32.
        frequencies: int64[symbols] in [0, 2**14], of 1 to 4096 consecutive integers; they sum to 2**14.
    """

    lowest: int
    frequencies: NDArray[np.int64]

    def to_bytes(self) -> bytes:
        """Lowest integer, number of symbols, Rice parameter; then Rice codes of each frequency less the one before.

        Zeros as many as the quotient by ``2**parameter``, a one, and the remainder in ``parameter`` bits stand for a
        difference, of which the sign is the lowest bit (Golomb-Rice code, highest bit first, zeros to a whole byte).
        """
        if np.array_equal(self.frequencies, uniform(len(self.frequencies))):
            return _HEADER.pack(self.lowest, len(self.frequencies), _UNIFORM)
        differences = np.diff(self.frequencies, prepend=0)
        codes = np.where(differences < 0, -2 * differences - 1, 2 * differences)
        rice = min(range(_UNIFORM), key=lambda k: int((codes >> k).sum()) + k * len(codes))
        bits = "".join("0" * (code >> rice) + f"{1 << rice | code & (1 << rice) - 1:b}" for code in codes.tolist())
        whole = -(-len(bits) // 8)
        code_bytes = int(bits.ljust(8 * whole, "0"), 2).to_bytes(whole, "big")
        return _HEADER.pack(self.lowest, len(self.frequencies), rice) + code_bytes

    @classmethod
    def from_bytes(cls, data: bytes) -> FrequencyTable:
        """The table that ``to_bytes`` wrote; ``data`` ends where the table ends.

        Raises:
            BitstreamError: these are not the bytes of a table.
        """
        if len(data) < _HEADER.size:
            raise BitstreamError(f"a frequency table has {_HEADER.size} bytes or more, got {len(data)}")
        lowest, symbols, rice = _HEADER.unpack_from(data)
        if not 1 <= symbols <= MAX_SYMBOLS:
            raise BitstreamError(f"a frequency table has 1 to {MAX_SYMBOLS} symbols, got {symbols}")
        if lowest + symbols - 1 > np.iinfo(np.int32).max:
            raise BitstreamError(f"integers of a frequency table fit into 32 bits, got {symbols} from {lowest}")
        if rice > _UNIFORM:
            raise BitstreamError(f"the Rice parameter of a frequency table is at most {_UNIFORM}, got {rice}")
        codes = data[_HEADER.size :]
        if rice < _UNIFORM:
            return cls(lowest, _frequencies_from_rice(codes, symbols, rice))
        if codes:
            raise BitstreamError(f"a uniform frequency table has no codes, got {len(codes)} bytes of them")
        return cls(lowest, uniform(symbols))


def normalise(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Frequencies in proportion to counts; 1 or more where the count is, 0 where it is 0.

    Symbols too rare for their share to reach 1 have frequency 1; the others share the rest by rounding their cumulative
    counts down.

    Args:
        counts: int64[symbols] of 0 or more, with a sum from 1 to 2**48, at most 4096 of them positive.

    Returns:
        int64[symbols] that sum to 2**14.
    """
    rare = np.zeros(counts.shape, bool)
    while True:
        total, left = int(counts[~rare].sum()), TOTAL - int(rare.sum())
        also_rare = ~rare & (counts > 0) & (counts * left < total)
        if not also_rare.any():
            cumulative = np.cumsum(np.where(rare, 0, counts)) * left // total
            return np.diff(cumulative, prepend=0) + rare
        rare |= also_rare


def uniform(symbols: int) -> NDArray[np.int64]:
    """Frequencies that differ by 1 at most.

    Args:
        symbols: from 1 to 4096.

    Returns:
        int64[symbols] that sum to 2**14.
    """
    return np.diff(np.arange(symbols + 1, dtype=np.int64) * TOTAL // symbols)


def table_for(values: NDArray[np.integer]) -> FrequencyTable:
    """The table with which integers cost least, the bytes of the table among it.

    Args:
        values: one integer or more, within int32, at most 4095 between the lowest and the highest.

    Raises:
        VclError: the integers lie too far apart, or outside of int32.
    """
    lowest, highest = int(values.min()), int(values.max())
    limits = np.iinfo(np.int32)
    if lowest < limits.min or highest > limits.max:
        raise VclError(f"integers to be coded must fit into 32 bits, got {lowest} to {highest}")
    if highest - lowest >= MAX_SYMBOLS:
        raise VclError(f"integers to be coded must lie in a range of {MAX_SYMBOLS}, got {lowest} to {highest}")
    counts = np.bincount((values.ravel() - lowest).astype(np.int64)).astype(np.int64)
    candidates = [FrequencyTable(lowest, frequencies) for frequencies in (normalise(counts), uniform(len(counts)))]
    return min(candidates, key=lambda table: 8 * len(table.to_bytes()) + coded_bits(counts, table.frequencies))


def coded_bits(counts: NDArray[np.int64], frequencies: NDArray[np.int64]) -> float:
    """What symbols cost in bits, their table not among it.

    Args:
        counts: how often each symbol occurs, int64.
        frequencies: of the same shape, positive where the count is.
    """
    occurs = counts > 0
    return float((counts[occurs] * (PRECISION - np.log2(frequencies[occurs]))).sum())


def _frequencies_from_rice(data: bytes, symbols: int, rice: int) -> NDArray[np.int64]:
    bits = f"{int.from_bytes(data, 'big'):0{8 * len(data)}b}" if data else ""
    frequencies, frequency, start = [], 0, 0
    for _ in range(symbols):
        one = bits.find("1", start)
        if one < 0 or one + rice >= len(bits):
            raise BitstreamError(f"a frequency table ends after {len(frequencies)} of {symbols} frequencies")
        code = (one - start - 1 << rice) + int(bits[one : one + rice + 1], 2)
        frequency += -(code + 1 >> 1) if code & 1 else code >> 1
        if not 0 <= frequency <= TOTAL:
            raise BitstreamError(f"a frequency lies in 0 to {TOTAL}, got {frequency}")
        frequencies.append(frequency)
        start = one + rice + 1
    if len(bits) - start >= 8 or "1" in bits[start:]:
        raise BitstreamError(f"a frequency table of {symbols} symbols ends in at most 7 zeros, got {len(bits) - start} bits")
    if sum(frequencies) != TOTAL:
        raise BitstreamError(f"frequencies of a table sum to {TOTAL}, got {sum(frequencies)}")
    return np.array(frequencies, np.int64)
