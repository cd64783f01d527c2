"""Sections of integers: their bytes, their size against an outside coder, and damage."""

import constriction
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from vcl.codec.symbols import pack_integers, unpack_integers
from vcl.errors import BitstreamError, VclError


def weights(distribution, bound, count=400_000):
    draw = getattr(np.random.default_rng(bound), distribution)
    return np.rint(draw(size=count) * bound / 6).clip(-bound, bound).astype(np.int32)


def constriction_bytes(values):
    """Bytes of the range ANS coder of constriction, with the empirical probabilities, which it does not store."""
    counts = np.bincount(values - values.min())
    model = constriction.stream.model.Categorical(counts / counts.sum(), perfect=False)
    coder = constriction.stream.stack.AnsCoder()
    coder.encode_reverse((values - values.min()).astype(np.int32), model)
    return 4 * len(coder.get_compressed())


@pytest.mark.parametrize(
    ("values", "data"),
    [
        ([], ""),
        ([5, 5, 5], "0600 05000000 00f0"),
        # Two equally frequent symbols; one lane, of which a zero doubles the state and a one adds 2**13 besides.
        ([-1, 0], "0600 ffffffff 01f0 00 00400400"),
    ],
)
def test_sections_by_hand(values, data):
    assert pack_integers(np.array(values, np.int32)).hex() == data.replace(" ", "")
    assert unpack_integers(bytes.fromhex(data), len(values)).tolist() == values


@pytest.mark.parametrize("bound", [7, 15, 31, 127])
@pytest.mark.parametrize("distribution", ["normal", "laplace"])
def test_weights_take_half_a_percent_more_than_constriction_at_most(distribution, bound):
    values = weights(distribution, bound)
    data = pack_integers(values)
    np.testing.assert_array_equal(unpack_integers(data, values.size), values)
    assert len(data) <= 1.005 * constriction_bytes(values)


@settings(max_examples=80)
@given(
    st.sampled_from([np.int8, np.uint8, np.int16, np.int32, np.int64]).flatmap(
        lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_side=0, max_side=12), elements=st.integers(0, 120))
    ),
    st.sampled_from([0, -128, -(2**31), 2**31 - 121]),
)
def test_integers_come_back_in_c_order(values, shift):
    values = values.astype(np.int64) + shift
    data = pack_integers(values)
    back = unpack_integers(memoryview(data), values.size)
    assert back.dtype == np.int32
    np.testing.assert_array_equal(back, values.ravel())


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_the_whole_range_of_a_narrow_type_comes_back(dtype):
    values = np.arange(256).astype(dtype)
    np.testing.assert_array_equal(unpack_integers(pack_integers(values), 256), values)


@pytest.mark.parametrize("symbols", [2, 3, 200, 256, 3000, 4096])
@pytest.mark.parametrize("count", [1, 10, 1000, 100_000])
def test_incompressible_integers_take_little_more_than_their_raw_bits(symbols, count):
    values = np.random.default_rng(0).integers(0, symbols, count)
    raw_bits = count * np.log2(symbols)
    assert len(pack_integers(values)) <= 1.005 * raw_bits / 8 + 16


@pytest.mark.parametrize("count", [1, 1000, 10**6])
def test_equal_integers_take_eight_bytes(count):
    assert len(pack_integers(np.full(count, -3))) == 8


def test_integers_too_far_apart_are_refused():
    with pytest.raises(VclError, match="must lie in a range of 4096, got -4000 to 4000"):
        pack_integers(np.array([-4000, 4000]))


@pytest.mark.parametrize(
    ("data", "count", "rule"),
    [
        ("00", 0, "no symbols has no bytes, got 1"),
        ("", 1, "has 2 bytes or more, got 0"),
        ("0600", 1, "has its table of 6 bytes, got 2"),
        ("0500 0500000000f0", 1, "frequency table has 6 bytes or more, got 5"),
        ("0600 0500000000f0 00", 1, "no symbols has no bytes, got 1"),
        ("0600 ffffffff01f0", 1, "1 to 4096 lanes, got 0"),
        ("ffff 0500000000f0", 1, "has its table of 65535 bytes, got 8"),
    ],
)
def test_bytes_that_are_no_section_are_refused(data, count, rule):
    with pytest.raises(BitstreamError, match=rule):
        unpack_integers(bytes.fromhex(data), count)


def test_every_truncation_and_other_counts_are_refused():
    values = weights("normal", 15, 700)
    data = pack_integers(values)
    for end in range(len(data)):
        with pytest.raises(BitstreamError):
            unpack_integers(data[:end], values.size)
    for count in (0, 1, 699, 701, 10**6):
        with pytest.raises(BitstreamError):
            unpack_integers(data, count)


def test_a_changed_byte_is_refused_or_gives_as_many_integers_of_a_table():
    values = weights("laplace", 15, 300)
    data = pack_integers(values)
    rng = np.random.default_rng(0)
    for position in range(len(data)):
        for change in rng.choice(np.arange(1, 256), 3, replace=False).tolist():
            damaged = bytearray(data)
            damaged[position] ^= change
            try:
                others = unpack_integers(damaged, values.size)
            except BitstreamError:
                continue
            assert others.shape == values.shape
            assert np.ptp(others.astype(np.int64)) < 4096


@given(st.binary(max_size=60), st.integers(0, 200))
def test_any_bytes_are_refused_or_integers(data, count):
    try:
        values = unpack_integers(data, count)
    except BitstreamError:
        return
    assert values.shape == (count,)
