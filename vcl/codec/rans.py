"""Entropy coding of symbols: interleaved rANS in integers.

Source: Duda, "Asymmetric numeral systems" (2013), https://arxiv.org/abs/1311.2540; many coders side by side as in
Giesen, "Interleaved entropy coders" (2014), https://arxiv.org/abs/1402.3392.

A stream is: the base-2 logarithm of the number of lanes (uint8), a state for each lane (uint32), words (uint16).
Symbol ``i`` belongs to lane ``i % lanes``, and a step decodes one symbol of each lane. The lowest 14 bits of the
lane's state are its slot, and the symbol is the one with ``start <= slot < start + frequency``, where ``start`` is the
sum of the frequencies before. The state becomes ``frequency * (state >> 14) + slot - start``; where that is less than
2**16, the lane shifts it up by 16 bits and adds the next word. Lanes take words in ascending order. After the last
symbol all words are read and every state is 2**16.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vcl.codec.tables import PRECISION, TOTAL, coded_bits
from vcl.errors import BitstreamError, VclError

MAX_LANES = 1 << 12

MAX_STEPS = 1 << 14
"""How many steps a stream of fewer than ``MAX_LANES`` lanes may take, so that none is slow."""

_BITS_PER_LANE = 6144
"""A lane costs about 24 bits, so lanes add less than 0.4 % to a stream with this many bits for each."""

_LOW = 1 << 16
_RECIPROCAL = 46
"""For a state less than ``frequency << 18``, ``state * ceil(2**46 / frequency)`` fits into 64 bits, and shifted down by
46 it is the quotient, exactly."""


def encode(
    symbols: NDArray[np.integer],
    frequencies: NDArray[np.int64],
    contexts: NDArray[np.integer] | None = None,
    lanes: int | None = None,
) -> bytes:
    """Code symbols, each by the table of its context.

    Args:
        symbols: [n], in [0, alphabet).
        frequencies: int64[tables, alphabet], each row sums to 2**14.
        contexts: [n], the row of each symbol's table; None for the only table.
        lanes: a power of two up to 4096; None for as many as are worth their bytes.

    Returns:
        A stream; without symbols no bytes.

    Raises:
        VclError: a symbol has frequency 0.
    """
    if not symbols.size:
        return b""
    rows = symbols.astype(np.int64)
    if contexts is not None:
        rows += contexts.astype(np.int64) * frequencies.shape[1]
    counts, flat = np.bincount(rows, minlength=frequencies.size), frequencies.ravel()
    if counts[flat == 0].any():
        raise VclError("symbols to be coded must have a frequency of 1 or more, got 0")
    lanes = lanes or _lanes_for(symbols.size, coded_bits(counts, flat))
    states, words = _encode_steps(rows, frequencies, lanes)
    return bytes([lanes.bit_length() - 1]) + states.astype("<u4").tobytes() + words.astype("<u2").tobytes()


def decode(
    data: bytes | memoryview, count: int, frequencies: NDArray[np.int64], contexts: NDArray[np.integer] | None = None
) -> NDArray[np.int16]:
    """The symbols of a stream; ``data`` ends where the stream ends.

    A damaged stream almost always ends in wrong states. Where it does not, symbols of the alphabet come back, so what
    must be right needs a checksum besides.

    Args:
        data: what ``encode`` returned.
        count: how many symbols, known from elsewhere.
        frequencies: those of the encoder, int64[tables, alphabet].
        contexts: those of the encoder.

    Returns:
        int16[count].

    Raises:
        BitstreamError: this is no stream of so many symbols.
    """
    if not count:
        if len(data):
            raise BitstreamError(f"a stream of no symbols has no bytes, got {len(data)}")
        return np.empty(0, np.int16)
    states, words = _parse(data, count)
    offsets = None if contexts is None else contexts.astype(np.int64) << PRECISION
    return _decode_steps(states, words, count, frequencies, offsets)


def _lanes_for(count: int, bits: float) -> int:
    """As many lanes as the bits are worth, and at least as many as steps must not exceed their bound."""
    worth = min(int(bits) // _BITS_PER_LANE, count)
    least = -(-count // MAX_STEPS)
    return min(max(1 << max(worth.bit_length() - 1, 0), 1 << (least - 1).bit_length()), MAX_LANES)


def _encode_steps(
    rows: NDArray[np.int64], frequencies: NDArray[np.int64], lanes: int
) -> tuple[NDArray[np.uint64], NDArray[np.uint16]]:
    """States and words, from the last step to the first; ``rows`` index the flattened frequencies."""
    flat = frequencies.ravel().astype(np.uint64)
    starts = (np.cumsum(frequencies, axis=1) - frequencies).ravel().astype(np.uint64)
    limits = flat << np.uint64(32 - PRECISION)
    divisors = np.maximum(flat, 1)
    reciprocals = (np.uint64((1 << _RECIPROCAL) - 1) + divisors) // divisors
    complements = np.uint64(TOTAL) - flat
    states = np.full(lanes, _LOW, np.uint64)
    steps: list[NDArray[np.uint16]] = []
    for first in reversed(range(0, rows.size, lanes)):
        row = rows[first : first + lanes]
        if not steps or first + 2 * lanes > rows.size:
            state = states[: row.size]
            quotient, entry = np.empty_like(state), np.empty_like(state)
        full = (state >= limits.take(row, out=entry, mode="clip")).nonzero()[0]
        shifted = state[full]
        steps.append(shifted.astype(np.uint16))
        state[full] = shifted >> np.uint64(16)
        reciprocals.take(row, out=quotient, mode="clip")
        quotient *= state
        quotient >>= np.uint64(_RECIPROCAL)
        quotient *= complements.take(row, out=entry, mode="clip")
        state += quotient
        state += starts.take(row, out=entry, mode="clip")
    return states, np.concatenate(steps[::-1])


def _parse(data: bytes | memoryview, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    lanes = 1 << min(data[0], 63) if len(data) else 0
    least = 1 + 4 * lanes
    if not 1 <= lanes <= MAX_LANES:
        raise BitstreamError(f"a stream of symbols has 1 to {MAX_LANES} lanes, got {lanes}")
    if lanes < min(MAX_LANES, -(-count // MAX_STEPS)):
        raise BitstreamError(f"a stream of {count} symbols takes at most {MAX_STEPS} steps, got {lanes} lanes")
    if len(data) < least or (len(data) - least) % 2:
        raise BitstreamError(f"a stream of {lanes} lanes has {least} bytes and words of 2, got {len(data)} bytes")
    states = np.frombuffer(data, "<u4", lanes, 1).astype(np.int64)
    if states.min() < _LOW:
        raise BitstreamError(f"a state is {_LOW} or more, got {states.min()}")
    return states, np.frombuffer(data, "<u2", offset=least).astype(np.int64)


def _decode_steps(
    states: NDArray[np.int64],
    words: NDArray[np.int64],
    count: int,
    frequencies: NDArray[np.int64],
    offsets: NDArray[np.int64] | None,
) -> NDArray[np.int16]:
    """Symbols from the first step to the last; ``states`` change, ``offsets`` are those of each symbol's table."""
    of_slot = np.concatenate([_by_slot(row.tobytes()) for row in frequencies])
    symbols = np.empty(count, np.int16)
    state, entry, part, lanes, read = states, np.empty_like(states), np.empty_like(states), states.size, 0
    for first in range(0, count, lanes):
        symbol = symbols[first : first + lanes]
        if symbol.size < lanes:
            state, entry, part = state[: symbol.size], entry[: symbol.size], part[: symbol.size]
        np.bitwise_and(state, TOTAL - 1, out=part)
        if offsets is not None:
            part += offsets[first : first + lanes]
        of_slot.take(part, out=entry, mode="clip")
        symbol[:] = entry  # The lowest 16 bits.
        state >>= PRECISION
        state *= np.right_shift(entry, 32, out=part)
        entry >>= 16
        entry &= 0xFFFF
        state += entry
        low = (state < _LOW).nonzero()[0]
        word = words[read : read + low.size]
        if word.size < low.size:
            raise BitstreamError(f"a stream of {count} symbols ends after {first + symbol.size} of them")
        state[low] = state[low] << 16 | word
        read += low.size
    if read < words.size or (states != _LOW).any():
        raise BitstreamError(f"a stream of {count} symbols ends with all words read and every state {_LOW}")
    return symbols


@lru_cache(maxsize=128)
def _by_slot(table: bytes) -> NDArray[np.int64]:
    """For each slot of a table its symbol, the slot less the symbol's start, and the symbol's frequency.

    Each has 16 bits, the first the lowest. The masks of a library have many tables in common.
    """
    frequencies = np.frombuffer(table, np.int64)
    starts = np.cumsum(frequencies) - frequencies
    by_symbol = (frequencies << 32) - (starts << 16) + np.arange(frequencies.size)
    of_slot: NDArray[np.int64] = np.repeat(by_symbol, frequencies) + (np.arange(TOTAL) << 16)
    return of_slot
