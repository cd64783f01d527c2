"""Integers, such as quantised weights, as a section of bytes.

A section is: the number of bytes of the frequency table (uint16), the table, and a stream of symbols (``rans``), each
the integer less the lowest one. Equal integers have no stream, and no integers have no bytes at all.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from vcl.codec.rans import decode, encode
from vcl.codec.tables import FrequencyTable, table_for
from vcl.errors import BitstreamError

_LENGTH = struct.Struct("<H")


def pack_integers(values: NDArray[np.integer]) -> bytes:
    """Code integers by how often each occurs.

    Args:
        values: any shape, in C order; within int32, at most 4095 between the lowest and the highest.

    Returns:
        A section, a few bytes more than fixed-width integers at worst.

    Raises:
        VclError: the integers lie too far apart, or outside of int32.
    """
    if not values.size:
        return b""
    table = table_for(values)
    table_bytes = table.to_bytes()
    section = _LENGTH.pack(len(table_bytes)) + table_bytes
    if len(table.frequencies) == 1:
        return section
    symbols = values.ravel().astype(np.int64) - table.lowest
    return section + encode(symbols, table.frequencies[None])


def unpack_integers(data: bytes | memoryview, count: int) -> NDArray[np.int32]:
    """The integers of a section; ``data`` ends where the section ends.

    A section carries no checksum. Damage that its table and its stream do not show gives integers of the table's range.

    Args:
        data: what ``pack_integers`` returned.
        count: how many integers, known from elsewhere; memory is in proportion to it.

    Returns:
        int32[count].

    Raises:
        BitstreamError: this is no section of so many integers.
    """
    if not count:
        if len(data):
            raise BitstreamError(f"a section of no integers has no bytes, got {len(data)}")
        return np.empty(0, np.int32)
    if len(data) < _LENGTH.size:
        raise BitstreamError(f"a section of integers has {_LENGTH.size} bytes or more, got {len(data)}")
    end = _LENGTH.size + _LENGTH.unpack_from(data)[0]
    if end > len(data):
        raise BitstreamError(f"a section of integers has its table of {end - _LENGTH.size} bytes, got {len(data)}")
    table = FrequencyTable.from_bytes(bytes(data[_LENGTH.size : end]))
    stream = data[end:]
    if len(table.frequencies) > 1:
        return decode(stream, count, table.frequencies[None]).astype(np.int32) + np.int32(table.lowest)
    if len(stream):
        raise BitstreamError(f"a section of equal integers ends with its table, got {len(stream)} bytes more")
    return np.full(count, table.lowest, np.int32)
