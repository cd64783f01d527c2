"""Frequency tables: how counts become frequencies, and the bytes of a table."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcl.codec.tables import MAX_SYMBOLS, TOTAL, FrequencyTable, coded_bits, normalise, table_for, uniform
from vcl.errors import BitstreamError, VclError


def same(one, other):
    return one.lowest == other.lowest and np.array_equal(one.frequencies, other.frequencies)


@pytest.mark.parametrize(
    ("counts", "frequencies"),
    [
        ([7], [16384]),
        ([1, 1, 2], [4096, 4096, 8192]),
        ([0, 5, 0], [0, 16384, 0]),
        ([1, 1, 1], [5461, 5461, 5462]),
        ([1, 2**40], [1, 16383]),
        ([2**40, 1, 0, 1], [16382, 1, 0, 1]),
    ],
)
def test_frequencies_by_hand(counts, frequencies):
    assert normalise(np.array(counts, np.int64)).tolist() == frequencies


@given(st.lists(st.one_of(st.integers(0, 3), st.integers(0, 2**35)), min_size=1, max_size=300), st.integers(9, 14))
def test_frequencies_sum_to_the_total_and_occur_where_counts_do(counts, bits):
    counts = np.array([*counts, 1], np.int64)
    frequencies = normalise(counts, 1 << bits)
    assert frequencies.sum() == 1 << bits
    np.testing.assert_array_equal(frequencies > 0, counts > 0)


def test_as_many_symbols_as_the_total_have_frequency_one_each():
    assert set(normalise(np.arange(1, MAX_SYMBOLS + 1), MAX_SYMBOLS).tolist()) == {1}


@pytest.mark.parametrize("symbols", [1, 2, 3, 255, 4095, 4096])
def test_uniform_frequencies_differ_by_one_at_most(symbols):
    frequencies = uniform(symbols)
    assert frequencies.sum() == TOTAL
    assert np.ptp(frequencies) <= 1


@pytest.mark.parametrize(
    ("lowest", "frequencies", "data"),
    [
        (-3, [16384], "fdffffff 00f0"),
        (0, [8192, 8192], "00000000 01f0"),
        # Shifted by 12: 1 and 3; codes of the differences 2 and 4; parameters 2 and 1; bits 1 10, 001 0 and a zero.
        (0, [4096, 12288], "00000000 01c0 c4"),
        # Shifted by 13: 1, 0, 1; codes 2, 1, 2; parameters 2, 1, 1; bits 1 10, 1 1, 01 0.
        (258, [8192, 0, 8192], "02010000 02d0 da"),
    ],
)
def test_bytes_by_hand(lowest, frequencies, data):
    table = FrequencyTable(lowest, np.array(frequencies, np.int64))
    assert table.to_bytes().hex() == data.replace(" ", "")
    assert same(FrequencyTable.from_bytes(bytes.fromhex(data)), table)


@given(st.integers(-(2**31), 2**31 - 300), st.lists(st.integers(0, 2**20), min_size=1, max_size=300))
def test_a_table_comes_back_from_its_bytes(lowest, counts):
    table = FrequencyTable(lowest, normalise(np.array([*counts, 1], np.int64)))
    assert same(FrequencyTable.from_bytes(table.to_bytes()), table)


@pytest.mark.parametrize("frequent", [0, 2048, 4095])
def test_the_widest_and_most_uneven_table_comes_back_and_its_length_fits_into_16_bits(frequent):
    frequencies = np.ones(MAX_SYMBOLS, np.int64)
    frequencies[frequent] += TOTAL - MAX_SYMBOLS
    table = FrequencyTable(0, frequencies)
    data = table.to_bytes()
    assert len(data) < 1 << 16
    assert same(FrequencyTable.from_bytes(data), table)


@pytest.mark.parametrize(("bound", "most"), [(15, 40), (127, 130)])
@pytest.mark.parametrize("distribution", ["normal", "laplace"])
def test_a_table_of_many_weights_takes_few_bytes(bound, most, distribution):
    draw = getattr(np.random.default_rng(0), distribution)
    values = np.rint(draw(size=100_000) * bound / 6).clip(-bound, bound).astype(np.int32)
    assert len(table_for(values).to_bytes()) <= most


def test_fewer_integers_get_a_coarser_table():
    values = np.rint(np.random.default_rng(0).normal(size=50_000) * 20).astype(np.int32)
    assert len(table_for(values[:500]).to_bytes()) + 30 < len(table_for(values).to_bytes())


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64])
def test_a_table_covers_the_integers_whatever_their_type(dtype):
    table = table_for(np.array([-128, 127, 127], dtype))
    assert (table.lowest, len(table.frequencies)) == (-128, 256)
    assert min(table.frequencies[[0, 255]]) > 0


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ([0, 4096], "must lie in a range of 4096, got 0 to 4096"),
        ([2**31], f"must fit into 32 bits, got {2**31} to {2**31}"),
        ([-(2**31) - 1], "must fit into 32 bits"),
    ],
)
def test_integers_out_of_range_are_refused(values, rule):
    with pytest.raises(VclError, match=rule):
        table_for(np.array(values, np.int64))


def test_cost_by_hand():
    assert coded_bits(np.array([4, 0, 2]), np.array([8192, 0, 4096])) == 4 * 1 + 2 * 2


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        ("", "has 6 bytes or more, got 0"),
        ("00000000 01", "has 6 bytes or more, got 5"),
        ("ffffff7f 01f0", "fit into 32 bits, got 2 from 2147483647"),
        ("00000000 01f0 00", "uniform frequency table has no codes, got 1 bytes"),
        ("00000000 01b0 c4", "sum to 8, got 4"),
        ("00000000 01e0 c4", "lies in 0 to 1, got 3"),
        ("00000000 01c0 a8", "lies in 0 to 4, got -1"),
        ("00000000 01c0 c5", "ends in at most 7 zeros, got 1"),
        ("00000000 01c0 c400", "ends in at most 7 zeros, got 00000000"),
        ("00000000 01c0", "ends after 0 of 2 frequencies"),
        ("00000000 02c0 c4", "ends after 2 of 3 frequencies"),
        ("00000000 0100 0000000000", "ends after 0 of 2 frequencies"),
    ],
)
def test_bytes_that_are_no_table_are_refused(data, rule):
    with pytest.raises(BitstreamError, match=rule):
        FrequencyTable.from_bytes(bytes.fromhex(data))


def test_every_truncation_is_refused():
    data = table_for(np.rint(np.random.default_rng(0).normal(size=9000) * 5).astype(np.int32)).to_bytes()
    for end in range(len(data)):
        with pytest.raises(BitstreamError):
            FrequencyTable.from_bytes(data[:end])


@given(st.integers(0, 0xFFFF), st.binary(max_size=60))
def test_any_bytes_are_refused_or_a_table(size_and_shift, codes):
    try:
        table = FrequencyTable.from_bytes(struct.pack("<iH", -7, size_and_shift) + codes)
    except BitstreamError:
        return
    assert table.lowest == -7
    assert len(table.frequencies) == (size_and_shift & 0xFFF) + 1
    assert table.frequencies.sum() == TOTAL
    assert table.frequencies.min() >= 0
