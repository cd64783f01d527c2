"""Arrays of integers, such as quantised weights, as a section of bytes.

A section is: for each array the number of bytes of its frequency table (uint16) and the table; and one stream of
symbols (``rans``), each an integer less the lowest of its array, array after array. Equal integers are not in the
stream, and no integers have no bytes at all.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vcl.codec.rans import decode, encode
from vcl.codec.tables import FrequencyTable, coded_bits, table_for
from vcl.errors import BitstreamError

_LENGTH = struct.Struct("<H")


def pack_integers(values: NDArray[np.integer]) -> bytes:
    """Code integers by how often each occurs, as ``pack_arrays``."""
    return pack_arrays([values])


def unpack_integers(data: bytes | memoryview, count: int) -> NDArray[np.int32]:
    """The integers of a section, as ``unpack_arrays``."""
    return unpack_arrays(data, [count])[0][0]


def pack_arrays(arrays: Sequence[NDArray[np.integer]]) -> bytes:
    """Code arrays of integers in one stream, each by how often its integers occur.

    Args:
        arrays: any shapes, in C order; within int32, at most 4095 between the lowest and the highest of one.

    Returns:
        A section, a few bytes more than fixed-width integers at worst; without integers no bytes.

    Raises:
        VclError: the integers lie too far apart, or outside of int32.
    """
    tables = [table_for(values) for values in arrays if values.size]
    head = b"".join(_LENGTH.pack(len(table)) + table for table in (table.to_bytes() for table in tables))
    filled = zip(tables, (values for values in arrays if values.size), strict=True)
    mixed = [(table, values.ravel()) for table, values in filled if len(table.frequencies) > 1]
    if not mixed:
        return head
    symbols = np.concatenate([values.astype(np.int64) - table.lowest for table, values in mixed])
    rows = np.repeat(np.arange(len(mixed)), [values.size for _, values in mixed])
    return head + encode(symbols, _frequencies([table for table, _ in mixed]), rows)


def unpack_arrays(data: bytes | memoryview, counts: Sequence[int]) -> tuple[list[NDArray[np.int32]], list[float]]:
    """The arrays of a section; ``data`` ends where the section ends.

    A section carries no checksum. Damage that its tables and its stream do not show gives integers of the tables'
    ranges.

    Args:
        data: what ``pack_arrays`` returned.
        counts: integers of each array, known from elsewhere; memory is in proportion to them.

    Returns:
        Flat arrays, and the bits that each of them took, its table among them.

    Raises:
        BitstreamError: this is no section of so many integers.
    """
    tables: list[FrequencyTable | None] = []
    bits: list[float] = []
    at = 0
    for count in counts:
        table, length = _table(data, at) if count else (None, 0)
        tables.append(table)
        bits.append(8.0 * length)
        at += length
    mixed = [
        (table, count) for table, count in zip(tables, counts, strict=True) if table and len(table.frequencies) > 1
    ]
    rows = np.repeat(np.arange(len(mixed)), np.array([count for _, count in mixed], np.int64))
    symbols = decode(data[at:], rows.size, _frequencies([table for table, _ in mixed]), rows)
    arrays, first = [], 0
    for number, (table, count) in enumerate(zip(tables, counts, strict=True)):
        if table is None:
            arrays.append(np.empty(0, np.int32))
        elif len(table.frequencies) == 1:
            arrays.append(np.full(count, table.lowest, np.int32))
        else:
            part = symbols[first : first + count]
            first += count
            bits[number] += coded_bits(np.bincount(part, minlength=len(table.frequencies)), table.frequencies)
            arrays.append(part.astype(np.int32) + np.int32(table.lowest))
    return arrays, bits


def _table(data: bytes | memoryview, at: int) -> tuple[FrequencyTable, int]:
    """The table at a place, and the bytes that it takes."""
    rest = len(data) - at
    if rest < _LENGTH.size:
        raise BitstreamError(f"a section of integers has {_LENGTH.size} bytes or more, got {rest}")
    length = _LENGTH.size + _LENGTH.unpack_from(data, at)[0]
    if length > rest:
        raise BitstreamError(f"a section of integers has its table of {length - _LENGTH.size} bytes, got {rest}")
    return FrequencyTable.from_bytes(bytes(data[at + _LENGTH.size : at + length])), length


def _frequencies(tables: Sequence[FrequencyTable]) -> NDArray[np.int64]:
    """Frequencies of several tables, filled up with zeros."""
    widest = max((len(table.frequencies) for table in tables), default=1)
    frequencies = np.zeros((len(tables), widest), np.int64)
    for row, table in zip(frequencies, tables, strict=True):
        row[: len(table.frequencies)] = table.frequencies
    return frequencies
