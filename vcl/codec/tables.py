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

_HEADER = struct.Struct("<iH")
_UNIFORM = 15
"""In place of a shift: all frequencies as equal as they can be."""

_FIRST_MEAN = 4


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
        """Lowest integer (int32); number of symbols less 1, with the shift in the upper 4 bits (uint16); then bits.

        Shift is the number of zeros that all frequencies end in, and that are left out. The bits are Golomb-Rice codes
        of each frequency less the one before: the difference doubled, or where negative doubled, made positive and less
        1, as zeros as many as its quotient by ``2**parameter``, a one, and the remainder in ``parameter`` bits, highest
        bit first. The parameter follows the mean of the codes before. Zeros complete the last byte.
        """
        symbols = len(self.frequencies)
        if np.array_equal(self.frequencies, uniform(symbols)):
            return _HEADER.pack(self.lowest, symbols - 1 | _UNIFORM << 12)
        any_set = int(np.bitwise_or.reduce(self.frequencies))
        shift = (any_set & -any_set).bit_length() - 1
        differences = np.diff(self.frequencies >> shift, prepend=0)
        bits, mean = [], _FIRST_MEAN
        for code in np.where(differences < 0, -2 * differences - 1, 2 * differences).tolist():
            rice = mean.bit_length() - 1
            bits.append("0" * (code >> rice) + f"{1 << rice | code & (1 << rice) - 1:b}")
            mean = _next_mean(mean, code)
        return _HEADER.pack(self.lowest, symbols - 1 | shift << 12) + _bytes_of("".join(bits))

    @classmethod
    def from_bytes(cls, data: bytes) -> FrequencyTable:
        """The table that ``to_bytes`` wrote; ``data`` ends where the table ends.

        Raises:
            BitstreamError: these are not the bytes of a table.
        """
        if len(data) < _HEADER.size:
            raise BitstreamError(f"a frequency table has {_HEADER.size} bytes or more, got {len(data)}")
        lowest, size_and_shift = _HEADER.unpack_from(data)
        symbols, shift, codes = (size_and_shift & MAX_SYMBOLS - 1) + 1, size_and_shift >> 12, data[_HEADER.size :]
        if lowest + symbols - 1 > np.iinfo(np.int32).max:
            raise BitstreamError(f"integers of a frequency table fit into 32 bits, got {symbols} from {lowest}")
        if shift < _UNIFORM:
            return cls(lowest, _frequencies_from(codes, symbols, TOTAL >> shift) << shift)
        if codes:
            raise BitstreamError(f"a uniform frequency table has no codes, got {len(codes)} bytes of them")
        return cls(lowest, uniform(symbols))


def normalise(counts: NDArray[np.int64], total: int = TOTAL) -> NDArray[np.int64]:
    """Frequencies in proportion to counts; 1 or more where the count is, 0 where it is 0.

    Symbols too rare for their share to reach 1 have frequency 1; the others share the rest by rounding their cumulative
    counts down.

    Args:
        counts: int64[symbols] of 0 or more, with a sum from 1 to 2**48.
        total: what the frequencies sum to, at least the number of positive counts and at most 2**14.

    Returns:
        int64[symbols].
    """
    rare = np.zeros(counts.shape, bool)
    while True:
        shared, left = int(counts[~rare].sum()), total - int(rare.sum())
        also_rare = ~rare & (counts > 0) & (counts * left < shared)
        if not also_rare.any():
            cumulative = np.cumsum(np.where(rare, 0, counts)) * left // shared
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
    counts = np.bincount(values.ravel().astype(np.int64) - lowest)
    coarsest = (int((counts > 0).sum()) - 1).bit_length()
    rounded = [normalise(counts, 1 << bits) << PRECISION - bits for bits in range(coarsest, PRECISION + 1)]
    candidates = [FrequencyTable(lowest, frequencies) for frequencies in (*rounded, uniform(len(counts)))]
    return min(candidates, key=lambda table: 8 * len(table.to_bytes()) + coded_bits(counts, table.frequencies))


def coded_bits(counts: NDArray[np.int64], frequencies: NDArray[np.int64]) -> float:
    """What symbols cost in bits, their table not among it.

    Args:
        counts: how often each symbol occurs, int64.
        frequencies: of the same shape, positive where the count is.
    """
    occurs = counts > 0
    return float((counts[occurs] * (PRECISION - np.log2(frequencies[occurs]))).sum())


def _frequencies_from(data: bytes, symbols: int, total: int) -> NDArray[np.int64]:
    bits = f"{int.from_bytes(data, 'big'):0{8 * len(data)}b}" if data else ""
    frequencies: list[int] = []
    frequency, start, mean = 0, 0, _FIRST_MEAN
    for _ in range(symbols):
        one, rice = bits.find("1", start), mean.bit_length() - 1
        if one < 0 or one + rice >= len(bits):
            raise BitstreamError(f"a frequency table ends after {len(frequencies)} of {symbols} frequencies")
        code = (one - start - 1 << rice) + int(bits[one : one + rice + 1], 2)
        frequency += -(code + 1 >> 1) if code & 1 else code >> 1
        if not 0 <= frequency <= total:
            raise BitstreamError(f"a frequency lies in 0 to {total}, got {frequency}")
        frequencies.append(frequency)
        start, mean = one + rice + 1, _next_mean(mean, code)
    if len(bits) - start >= 8 or "1" in bits[start:]:
        raise BitstreamError(f"a frequency table ends in at most 7 zeros, got {bits[start : start + 8]}")
    if sum(frequencies) != total:
        raise BitstreamError(f"frequencies of a table sum to {total}, got {sum(frequencies)}")
    return np.array(frequencies, np.int64)


def _next_mean(mean: int, code: int) -> int:
    return mean + code + 1 >> 1


def _bytes_of(bits: str) -> bytes:
    length = -(-len(bits) // 8)
    return int(bits.ljust(8 * length, "0"), 2).to_bytes(length, "big")
