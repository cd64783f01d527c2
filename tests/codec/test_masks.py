"""Sections of masks: their bytes, against plain integers, their size against entropies, and damage."""

import constriction
import numpy as np
import pytest
import scalar_rans
from hypothesis import given, settings
from hypothesis import strategies as st

from vcl.codec.masks import MAX_CONTEXTS, pack_mask, unpack_mask
from vcl.codec.tables import normalise
from vcl.errors import BitstreamError, VclError


def entropy_bits(mask, context):
    """Empirical entropy of a mask given its contexts, bits."""
    bits = 0.0
    for number in np.unique(context):
        share = mask[context == number].mean()
        inner = np.array([share, 1 - share])
        bits -= (context == number).sum() * (inner[inner > 0] * np.log2(inner[inner > 0])).sum()
    return bits


def scalar_unpack(data, context):
    """The mask of an undamaged section, in plain integers."""
    used = sorted(set(context))
    entries = {number: [at for at, other in enumerate(context) if other == number] for number in used}
    sizes, tables, which = {}, [], []
    for code, number in zip(data, used, strict=False):
        if level := code & 127:
            p = max(1, level * level * 8192 // 16129)
            size = sizes[number] = 8 if p >= 2048 else 6 if p >= 512 else 4
            ones = [bin(group).count("1") for group in range(1 << size)]
            weights = [max(1, p**k * (16384 - p) ** (size - k) >> 14 * size - 28) for k in ones]
            which += [len(tables)] * -(-len(entries[number]) // size)
            tables.append(normalise(np.array(weights)).tolist())
    symbols = iter(scalar_rans.decode(data[len(used) :], len(which), tables, which) if which else [])
    mask = [False] * len(context)
    for code, number in zip(data, used, strict=False):
        for start in range(0, len(entries[number]), sizes.get(number, len(context))):
            symbol = next(symbols) if number in sizes else 0
            for bit, at in enumerate(entries[number][start : start + sizes.get(number, len(context))]):
                mask[at] = bool(symbol >> bit & 1 ^ code >> 7)
    return mask


def digits(text):
    return np.array([int(digit) for digit in text], np.uint8)


def learned(count, seed=0):
    """A mask of the highest 30 % of scores that have moved from their initial values, and its contexts."""
    rng = np.random.default_rng(seed)
    initial, sealed = rng.integers(0, 1 << 24, count), rng.random(count) < 0.3
    scores = initial / 2**24 + 0.3 * rng.normal(size=count)
    return scores > np.quantile(scores, 0.7), (initial >> 19).astype(np.uint8) * 2 + sealed


@pytest.mark.parametrize(
    ("mask", "context", "data"),
    [
        ("", "", ""),
        ("000", "000", "00"),
        ("111", "000", "80"),
        ("0101", "0606", "0080"),
        # Level 127 means one half, so 256 groups have frequency 64: the state becomes 1024 * 2**14 + 64 * 0b11000011.
        ("11000011", "00000000", "7f 00 c0300001"),
        # The same entries in context 3, among ones in context 1.
        ("1110000111", "1333333331", "80 7f 00 c0300001"),
    ],
)
def test_sections_by_hand(mask, context, data):
    mask, context = digits(mask).astype(bool), digits(context)
    assert pack_mask(mask, context, 7).hex() == data.replace(" ", "")
    assert unpack_mask(bytes.fromhex(data), context, 7).tolist() == mask.tolist()


@pytest.mark.parametrize("count", [1, 7, 100, 3000])
def test_sections_agree_with_plain_integers(count):
    rng = np.random.default_rng(count)
    context = rng.integers(0, 40, count).astype(np.uint8)
    mask = rng.random(count) < (context / 39) ** 3
    assert scalar_unpack(pack_mask(mask, context, 40), context.tolist()) == mask.tolist()


@settings(max_examples=80)
@given(st.data(), st.integers(0, 200), st.sampled_from([1, 2, 3, 64, 256]))
def test_a_mask_comes_back(data, count, contexts):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    context = rng.integers(0, contexts, (count, 3)).astype(np.uint8)
    mask = rng.random((count, 3)) < data.draw(st.sampled_from([0, 0.001, 0.03, 0.1, 0.5, 0.9, 1]))
    section = pack_mask(mask, context, contexts)
    back = unpack_mask(memoryview(section), context, contexts)
    assert back.dtype == bool
    np.testing.assert_array_equal(back, mask)


@pytest.mark.parametrize("share", [0.05, 0.1, 0.3, 0.5, 0.7, 0.95])
def test_a_mask_without_context_takes_half_a_percent_more_than_constriction_at_most(share):
    mask = np.random.default_rng(1).random(400_000) < share
    coder = constriction.stream.stack.AnsCoder()
    coder.encode_reverse(mask.astype(np.int32), constriction.stream.model.Bernoulli(mask.mean(), perfect=False))
    data = pack_mask(mask, np.zeros(mask.shape, np.uint8), 1)
    assert len(data) <= 1.005 * 4 * len(coder.get_compressed())


def test_a_mask_takes_half_a_percent_more_than_its_conditional_entropy_at_most():
    mask, context = learned(1_000_000)
    bits = entropy_bits(mask, context)
    assert bits < 0.65 * mask.size
    data = pack_mask(mask, context, 64)
    assert 8 * len(data) <= 1.005 * bits
    np.testing.assert_array_equal(unpack_mask(data, context, 64), mask)


@pytest.mark.parametrize("ones", [1, 2, 9, 80, 700, 5000, 30_000, 50_000, 50_001, 99_999])
def test_levels_are_fine_enough_at_any_share(ones):
    mask = np.random.default_rng(0).permutation(np.arange(100_000) < ones)
    bits = entropy_bits(mask, np.zeros(mask.shape, np.uint8))
    assert 8 * len(pack_mask(mask, np.zeros(mask.shape, np.uint8), 1)) <= 1.005 * bits + 0.0003 * len(mask) + 300


def test_contexts_in_which_all_entries_agree_cost_a_byte_each():
    context = np.arange(200_000) % 100
    assert pack_mask(context % 2 == 1, context.astype(np.uint8), 100) == bytes([0, 128] * 50)


@pytest.mark.parametrize(
    ("context", "contexts", "rule"),
    [
        ([0, 1], 1, r"must lie in \[0, 1\), got 0 to 1"),
        ([0, 0], 0, "has 1 to 256 contexts, got 0"),
        ([0, 0], MAX_CONTEXTS + 1, "has 1 to 256 contexts, got 257"),
        ([0, 0, 0], 1, "must have one shape"),
    ],
)
def test_contexts_out_of_range_are_refused(context, contexts, rule):
    with pytest.raises(VclError, match=rule):
        pack_mask(np.zeros(2, bool), np.array(context, np.uint8), contexts)


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        ("", "a probability for each of 2 contexts, got 0 bytes"),
        ("00", "got 1 bytes"),
        ("0080 00", "no symbols has no bytes, got 1"),
        ("007f", "1 to 4096 lanes, got 0"),
    ],
)
def test_bytes_that_are_no_section_are_refused(data, rule):
    with pytest.raises(BitstreamError, match=rule):
        unpack_mask(bytes.fromhex(data), digits("0011"), 2)


def test_every_truncation_is_refused():
    mask, context = learned(1500)
    data = pack_mask(mask, context, 64)
    for end in range(len(data)):
        with pytest.raises(BitstreamError):
            unpack_mask(data[:end], context, 64)


def test_a_changed_byte_is_refused_or_gives_another_mask():
    mask, context = learned(600)
    data = pack_mask(mask, context >> 3, 8)
    for position in range(len(data)):
        for change in (1, 2, 0x10, 0x7F, 0x80, 0xFF):
            damaged = bytearray(data)
            damaged[position] ^= change
            try:
                other = unpack_mask(damaged, context >> 3, 8)
            except BitstreamError:
                continue
            assert other.shape == mask.shape


@given(st.binary(max_size=60), st.integers(0, 100))
def test_any_bytes_are_refused_or_a_mask(data, count):
    context = (np.arange(count) % 3).astype(np.uint8)
    try:
        mask = unpack_mask(data, context, 3)
    except BitstreamError:
        return
    assert mask.shape == (count,)
