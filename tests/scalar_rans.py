"""The coders' format in plain Python integers, one symbol at a time: what the fast coders must agree with."""

from bisect import bisect_right
from itertools import accumulate


def encode(symbols, tables, contexts, lanes):
    """A stream of symbols; ``tables`` are lists of frequencies, ``contexts`` the table of each symbol."""
    states, words = [1 << 16] * lanes, []
    for position in reversed(range(len(symbols))):
        table, symbol, lane = tables[contexts[position]], symbols[position], position % lanes
        if states[lane] >= table[symbol] << 18:
            words.append(states[lane] & 0xFFFF)
            states[lane] >>= 16
        quotient, remainder = divmod(states[lane], table[symbol])
        states[lane] = (quotient << 14) + remainder + sum(table[:symbol])
    numbers = b"".join(state.to_bytes(4, "little") for state in states)
    return bytes([lanes.bit_length() - 1]) + numbers + b"".join(word.to_bytes(2, "little") for word in words[::-1])


def decode(data, count, tables, contexts):
    """The symbols of an undamaged stream."""
    lanes = 1 << data[0]
    states = [int.from_bytes(data[at : at + 4], "little") for at in range(1, 1 + 4 * lanes, 4)]
    words = [int.from_bytes(data[at : at + 2], "little") for at in range(1 + 4 * lanes, len(data), 2)]
    starts = [[0, *accumulate(table)] for table in tables]
    symbols = []
    for position, context in zip(range(count), contexts, strict=True):
        state, start = states[position % lanes], starts[context]
        symbol = bisect_right(start, state & 0x3FFF) - 1
        state = tables[context][symbol] * (state >> 14) + (state & 0x3FFF) - start[symbol]
        states[position % lanes] = state if state >= 1 << 16 else state << 16 | words.pop(0)
        symbols.append(symbol)
    assert not words
    assert set(states) == {1 << 16}
    return symbols
