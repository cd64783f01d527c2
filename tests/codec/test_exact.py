import hashlib
import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from vcl.codec import exact
from vcl.layers import encoding
from vcl.layers.encoding import PositionalEncoding, session_position_fraction, session_position_open

ONE = 2**64


@pytest.mark.parametrize(
    ("numerator", "denominator", "expected"),
    [
        (0, 1, ONE),
        (1, 1, -ONE),
        (1, 2, 0),
        (3, 2, 0),
        (1, 3, ONE // 2),
        (2, 3, -ONE // 2),
        (-1, 4, math.isqrt(ONE**2 // 2)),
        (3, 4, -math.isqrt(ONE**2 // 2)),
        (1, 5, (ONE + math.isqrt(5 * ONE**2)) // 4),
        (1, 6, math.isqrt(3 * ONE**2) // 2),
    ],
)
def test_cosines_that_roots_give_are_exact_to_56_bits(numerator, denominator, expected):
    assert abs(exact.cosine(numerator, denominator) - expected) < 2**8
    assert abs(exact.sine(2 * numerator + denominator, 2 * denominator) - expected) < 2**8


def test_sines_and_cosines_are_those_of_the_mathematical_library():
    for numerator in range(-999, 1000, 7):
        angle = math.pi * numerator / 997
        assert exact.sine(numerator, 997) / ONE == pytest.approx(math.sin(angle), abs=1e-14)
        assert exact.cosine(numerator, 997) / ONE == pytest.approx(math.cos(angle), abs=1e-14)


def test_a_million_digits_of_turns_change_no_sine():
    turns = 2 * 7 * 10**1_000_000
    assert exact.sine(turns + 3, 7) == exact.sine(3, 7)
    assert exact.cosine(turns - 3, 7) == exact.cosine(3, 7)


def test_rounding_takes_halves_upwards():
    halves = [exact.rounded(value * ONE // 2, 0) for value in (-3, -2, -1, 0, 1, 2, 3)]
    assert halves == [-1, -1, 0, 0, 1, 1, 2]
    assert exact.rounded(ONE, 4, 3) == 5  # 16 / 3


def test_powers_are_exact_where_floats_round():
    assert exact.powers(1.25, 41)[40] == (5**40, 4**40)
    assert Fraction(*exact.powers(1.3, 3)[2]) == Fraction(1.3) ** 2 != Fraction(1.3**2)


def test_the_embedding_of_a_frame_is_the_networks_to_half_a_unit():
    position, units = (7, 20), 2**exact.FRACTION_BITS
    floats = PositionalEncoding(40, 1.25)(torch.tensor([7 / 20], dtype=torch.float64)).double()[0] * units
    whole = exact.embedding(position, exact.powers(1.25, 40))
    assert len(whole) == 80
    assert (torch.tensor(whole) - floats).abs().max() <= 0.51


@pytest.mark.parametrize("session", [0, 1, 16, 1000])
def test_the_position_of_a_session_is_the_networks(session):
    numerator, denominator = exact.session_position(session, None)
    assert numerator / denominator == pytest.approx(float(session_position_open(torch.tensor(session))), abs=1e-12)
    numerator, denominator = exact.session_position(session, 17)
    assert numerator / denominator == float(session_position_fraction(torch.tensor(session), 17))


def test_the_golden_ratio_is_that_of_the_networks():
    assert Fraction(*exact.session_position(0, None)) == Fraction(encoding._GOLDEN)


def test_a_circle_is_divided_and_rounded():
    cosines, sines = exact.circle(4, 10, 3)
    assert cosines.tolist() == [341, 0, -341, 0]  # 1024 / 3 = 341.33
    assert sines.tolist() == [0, 341, 0, -341]
    cosines, sines = exact.circle(1280)
    angles = 2 * np.pi * np.arange(1280) / 1280
    assert np.abs(cosines - 2**15 * np.cos(angles)).max() <= 0.5 + 1e-9
    assert np.abs(sines - 2**15 * np.sin(angles)).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("exponent", [0, 1, 5, 11, 12, 15, 24, 40])
def test_every_entry_of_a_silu_table_is_the_nearest_whole_number(exponent):
    count = np.arange(-exact.STEPS, exact.STEPS)
    with np.errstate(over="ignore"):
        silu = count / (1 + np.exp(-count / 2.0**exponent))
    table = exact.silu_table(exponent)
    assert table.dtype == np.int16
    assert np.array_equal(table, np.floor(silu + 0.5))


def test_every_entry_of_the_colour_table_is_the_nearest_level():
    x = np.arange(-exact.STEPS, exact.STEPS) / 2.0**exact.COLOUR_EXPONENT
    table = exact.colour_table()
    assert table.dtype == np.uint8
    assert np.array_equal(table, np.floor(127.5 * (np.tanh(x) + 1) + 0.5))
    assert [table[0], table[exact.STEPS], table[-1]] == [0, 128, 255]
    assert set(table.tolist()) == set(range(256))


def test_tables_are_those_of_the_format():
    digest = hashlib.sha256()
    for exponent in range(41):
        digest.update(exact.silu_table(exponent).astype("<i2").tobytes())
    assert digest.hexdigest() == "e1064292bb693ba1199144db8e5abb5d7d04e5853601306d6c4cdccff86de61d"
    assert (
        hashlib.sha256(exact.colour_table().tobytes()).hexdigest()
        == "7e4e8af14ecd074c8606cc86337ab86c97456fbca016e4181cd4cba5aa4358fd"
    )
