"""Streams of symbols: against plain integers, at the bounds of tables and lanes, and damaged."""

import numpy as np
import pytest
import scalar_rans
from hypothesis import given, settings
from hypothesis import strategies as st

from vcl.codec.rans import MAX_LANES, MAX_STEPS, decode, encode
from vcl.codec.tables import TOTAL, normalise, uniform
from vcl.errors import BitstreamError, VclError

COIN = np.array([[8192, 8192]])


def drawn(count, tables, seed=0):
    """Symbols and contexts, drawn from tables."""
    rng = np.random.default_rng(seed)
    contexts = rng.integers(0, len(tables), count)
    slots = rng.integers(0, TOTAL, count)
    ends = np.cumsum(tables, axis=1)[contexts]
    return (slots[:, None] >= ends).sum(1), contexts


@pytest.mark.parametrize(
    ("symbols", "data"),
    [
        # 65536 is 8 times the frequency, so the state becomes 8 * 2**14 and the start.
        ([0], "00 00000200"),
        ([1], "00 00200200"),
        # Two states of 2**17 + 8192 and 2**17, with lane 0 first.
        ([1, 0], "01 00200200 00000200"),
    ],
)
def test_streams_by_hand(symbols, data):
    lanes = len(symbols)
    assert encode(np.array(symbols), COIN, lanes=lanes).hex() == data.replace(" ", "")
    assert decode(bytes.fromhex(data), lanes, COIN).tolist() == symbols


def test_a_full_state_gives_its_lower_half_to_a_word():
    # 15 zeros double the state to 2**31, of which the 16th leaves 2**15 and doubles that.
    assert encode(np.zeros(16, int), COIN, lanes=1).hex() == "00" + "00000100" + "0000"


@pytest.mark.parametrize("lanes", [1 << power for power in range(13)])
def test_streams_agree_with_plain_integers_at_every_number_of_lanes(lanes):
    rng = np.random.default_rng(lanes)
    tables = np.array([normalise(rng.integers(0, 50, 20) ** 3 + (np.arange(20) == 3)) for _ in range(3)])
    symbols, contexts = drawn(lanes + lanes // 3 + 70, tables, lanes)
    data = encode(symbols, tables, contexts, lanes)
    plain = tables.tolist(), contexts.tolist()
    assert data == scalar_rans.encode(symbols.tolist(), *plain, lanes)
    assert scalar_rans.decode(data, len(symbols), *plain) == symbols.tolist()
    np.testing.assert_array_equal(decode(data, len(symbols), tables, contexts), symbols)


@pytest.mark.parametrize(
    "table",
    [[16384], [1, 16383], [16383, 1], [0, 1, 0, 16383], [3, 0, 16381], [5461, 5461, 5462], uniform(4096).tolist()],
    ids=lambda table: f"{len(table)} symbols, the first {table[0]}",
)
def test_adversarial_tables_agree_with_plain_integers(table):
    tables = np.array([table])
    possible = np.flatnonzero(table)
    symbols = np.concatenate((possible, possible[::-1], drawn(300, tables)[0], np.repeat(possible[:2], 40)))
    data = encode(symbols, tables, lanes=4)
    assert data == scalar_rans.encode(symbols.tolist(), [table], [0] * len(symbols), 4)
    np.testing.assert_array_equal(decode(data, len(symbols), tables), symbols)


@settings(max_examples=60)
@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=40), st.integers(0, 400), st.integers(0, 12))
def test_symbols_come_back(counts, count, power):
    tables = normalise(np.array([*counts, 1], np.int64))[None]
    symbols = np.repeat(np.flatnonzero(tables[0]), 2)[:count]
    np.testing.assert_array_equal(decode(encode(symbols, tables, lanes=1 << power), len(symbols), tables), symbols)


def test_no_symbols_are_no_bytes():
    assert encode(np.empty(0, int), COIN) == b""
    assert decode(b"", 0, COIN).shape == (0,)
    with pytest.raises(BitstreamError, match="no symbols has no bytes, got 1"):
        decode(b"\0", 0, COIN)


def test_symbols_that_the_table_lacks_are_refused():
    with pytest.raises(VclError, match="must have a frequency of 1 or more"):
        encode(np.array([0, 1]), np.array([[16384, 0]]))


@pytest.mark.parametrize(
    ("count", "table", "lanes"),
    [
        (100, [8192, 8192], 1),
        (6144 * 8, [8192, 8192], 8),
        (6144 * 16 - 1, [8192, 8192], 8),
        (MAX_STEPS, [16384, 0], 1),
        (MAX_STEPS + 1, [16384, 0], 2),
        (MAX_STEPS * 5, [16384, 0], 8),
    ],
)
def test_lanes_grow_with_the_bits_and_with_the_steps(count, table, lanes):
    data = encode(np.zeros(count, np.int8), np.array([table]))
    assert 1 << data[0] == lanes
    assert not decode(data, count, np.array([table])).any()


def test_lanes_have_an_upper_bound():
    symbols = np.tile(np.arange(4096), 550)
    assert 1 << encode(symbols, uniform(4096)[None])[0] == MAX_LANES


@pytest.mark.parametrize(
    ("data", "count", "rule"),
    [
        ("", 1, "has 1 to 4096 lanes, got 0"),
        ("0d", 1, "has 1 to 4096 lanes, got 8192"),
        ("ff", 1, "has 1 to 4096 lanes"),
        ("00 000002", 1, "1 lanes has 5 bytes and words of 2, got 4 bytes"),
        ("00 00000200 00", 1, "1 lanes has 5 bytes and words of 2, got 6 bytes"),
        ("00 00000200", MAX_STEPS + 1, "takes at most 16384 steps, got 1 lanes"),
        ("00 ffff0000", 1, "a state is 65536 or more, got 65535"),
        ("00 00000200", 2, "2 symbols ends after 2 of them"),
        ("00 01000200", 1, "ends with all words read and every state 65536"),
        ("00 00000200 0000", 1, "ends with all words read and every state 65536"),
        ("01 00000200 01000100", 1, "ends with all words read and every state 65536"),
    ],
)
def test_bytes_that_are_no_stream_are_refused(data, count, rule):
    with pytest.raises(BitstreamError, match=rule):
        decode(bytes.fromhex(data), count, COIN)


def test_a_truncated_stream_is_refused():
    tables = normalise(np.array([1, 5, 9, 5, 1]))[None]
    symbols, _ = drawn(900, tables)
    data = encode(symbols, tables, lanes=8)
    for end in range(len(data)):
        with pytest.raises(BitstreamError):
            decode(data[:end], len(symbols), tables)


def test_a_flipped_bit_is_refused_or_gives_other_symbols_of_the_table():
    tables = normalise(np.array([1, 5, 9, 5, 1]))[None]
    symbols, _ = drawn(900, tables)
    data = encode(symbols, tables, lanes=8)
    refused = 0
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            others = decode(damaged, len(symbols), tables)
        except BitstreamError:
            refused += 1
        else:
            assert others.shape == symbols.shape
            assert 0 <= others.min() <= others.max() < 5
    assert refused > 0.95 * 8 * len(data)


def test_another_number_of_symbols_is_refused():
    tables = normalise(np.array([1, 5, 9, 5, 1]))[None]
    symbols, _ = drawn(900, tables)
    data = encode(symbols, tables, lanes=8)
    for count in (1, 899, 901, 2000):
        with pytest.raises(BitstreamError):
            decode(data, count, tables)


@given(st.binary(max_size=80), st.integers(0, 300))
def test_any_bytes_are_refused_or_symbols_of_the_table(data, count):
    try:
        symbols = decode(data, count, COIN)
    except BitstreamError:
        return
    assert symbols.shape == (count,)
    assert set(symbols.tolist()) <= {0, 1}
