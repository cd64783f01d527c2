"""Weights as integers times a step: every value here is worked by hand or is exact."""

import math

import pytest
import torch

from vcl.layers.quantise import (
    OWN_BITS,
    Quantised,
    along,
    bits_by_layer,
    dequantised,
    largest_integer,
    quantised_rows,
    row_steps,
    step_at_least,
)


def test_steps_are_the_smallest_of_sixteen_in_an_octave_that_are_not_below_a_size():
    sizes = torch.tensor([1.0, 1.03, 1.0625, 1.07, 1.9375, 1.94, 2.0, 0.1, 3e-5, 1000.0])
    steps = [16 / 16, 17 / 16, 17 / 16, 18 / 16, 31 / 16, 32 / 16, 2.0, 26 / 256, 16 * 2**-19, 16 * 2.0**6]
    assert step_at_least(sizes).tolist() == steps


def test_a_step_is_at_least_its_size_and_the_next_smaller_one_is_not():
    sizes = torch.logspace(-11, 3, 4001)
    for size, step in zip(sizes.tolist(), step_at_least(sizes).tolist(), strict=True):
        mantissa, exponent = math.frexp(step)
        assert mantissa * 32 in range(16, 32)
        below = (mantissa * 32 - 1) * 2.0 ** (exponent - 5) if mantissa > 0.5 else 31 * 2.0 ** (exponent - 6)
        assert below < size <= step


def test_the_step_of_nothing_but_zeros_is_two_to_the_minus_forty():
    assert step_at_least(torch.tensor([0.0, 2.0**-60, 2.0**-40])).tolist() == [2.0**-40] * 3


def test_an_integer_of_eight_bits_times_any_step_is_exact_in_float32():
    integers = torch.arange(-128, 129, dtype=torch.float64)
    mantissas = torch.arange(16, 32, dtype=torch.float64)
    for exponent in (-40, -10, 0, 5):
        steps = torch.ldexp(mantissas, torch.tensor(exponent))[:, None]
        product = integers.float() * steps.float()
        assert torch.equal(product.double(), integers * steps)
        assert torch.equal((product / steps.float()).double(), integers.expand(16, -1))


@pytest.mark.parametrize(("bits", "largest"), [(2, 1), (4, 7), (5, 15), (8, 127)])
def test_the_largest_integer_has_one_bit_for_its_sign(bits, largest):
    assert largest_integer(bits) == largest


def test_each_row_has_the_step_of_its_largest_number():
    value = torch.tensor([[7.0, -3.0], [0.5, -14.0], [0.0, 0.0]])
    assert row_steps(value, 4).tolist() == [1.0, 2.0, 2.0**-40]
    assert row_steps(value, 4, dim=1).tolist() == [1.0, 2.0]


def test_numbers_that_are_not_used_have_no_part_in_a_step():
    value = torch.tensor([[7.0, 100.0], [100.0, 100.0]])
    used = torch.tensor([[True, False], [False, False]])
    assert row_steps(value, 4, used=used).tolist() == [1.0, 2.0**-40]


def test_steps_broadcast_along_the_dimension_of_their_rows():
    step = torch.tensor([1.0, 2.0, 4.0])
    assert along(step, 2, 0).shape == (3, 1)
    assert along(step, 4, 3).shape == (1, 1, 1, 3)


def test_ties_go_to_the_even_integer_and_what_is_too_large_becomes_the_largest():
    value = torch.tensor([0.25, 0.75, 1.25, -0.25, -0.75, 0.3, 100.0, -100.0])
    assert dequantised(value, torch.tensor(0.5), 4).tolist() == [0.0, 1.0, 1.0, 0.0, -1.0, 0.5, 3.5, -3.5]


def test_no_dequantised_number_is_minus_zero():
    value = torch.tensor([-0.0, -0.1, -0.25, 0.0])
    assert torch.signbit(dequantised(value, torch.tensor(0.5), 8)).tolist() == [False] * 4


def test_numbers_of_a_session_get_a_step_a_row_and_a_vector_is_one_row():
    matrix, steps = quantised_rows(torch.tensor([[127.0, 0.4], [254.0, 3.0]]))
    assert (OWN_BITS, steps.tolist()) == (8, [1.0, 2.0])
    assert matrix.tolist() == [[127.0, 0.0], [254.0, 4.0]]
    vector, steps = quantised_rows(torch.tensor([254.0, 3.0]))
    assert (vector.tolist(), steps.tolist()) == ([254.0, 4.0], [2.0])


def test_given_steps_are_used_as_they_are():
    matrix, steps = quantised_rows(torch.tensor([[1.2], [1.2]]), torch.tensor([1.0, 0.5]))
    assert (matrix.tolist(), steps.tolist()) == ([[1.0], [1.0]], [1.0, 0.5])


def quantised(**fields):
    """Two rows of two weights: the first row is the session's own, the last weight is outside of the mask."""
    mask = torch.tensor([[True, True], [True, False]])
    own = torch.tensor([[True, True], [False, False]])
    return Quantised(mask, own, torch.tensor([0.5, 0.25]), bits=4, dim=0, **fields)


def test_own_weights_are_dequantised_others_stay_and_those_outside_of_the_mask_are_zero():
    value = torch.tensor([[0.3, -9.0], [0.3, 0.3]], requires_grad=True)
    effective = quantised().effective(value)
    assert effective.tolist() == [[0.5, -3.5], [pytest.approx(0.3), 0.0]]
    effective.backward(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    assert value.grad.tolist() == [[1.0, 2.0], [0.0, 0.0]]


def test_integers_are_added_to_a_base_where_there_is_one():
    base = torch.tensor([[1.0, 1.0], [1.0, 1.0]])
    value = torch.tensor([[1.3, -9.0], [1.3, 1.3]])
    assert quantised(base=base).effective(value).tolist()[0] == [1.5, -2.5]
    assert quantised(base=base).difference(value).tolist() == [[0.5, -3.5], [0.25, 0.25]]
    assert quantised().difference(value).tolist() == [[1.5, -3.5], [1.25, 1.25]]


def test_bits_go_where_a_bit_takes_the_most_damage_away():
    # From 4 bits: the first layer wins 9 for 10 bits, the second 4 for 20; the mean of 5 leaves 30 bits.
    damage = [[10.0, 1.0, 0.5], [6.0, 2.0, 1.0]]
    assert bits_by_layer(damage, [10, 20], [4, 5, 6], mean=5.0) == [5, 5]
    # 20 bits are left: 0.9 a bit, then 0.05 a bit with 10 left, as the second layer does not fit any more.
    assert bits_by_layer(damage, [10, 20], [4, 5, 6], mean=4 + 20 / 30) == [6, 4]
    assert bits_by_layer(damage, [10, 20], [4, 5, 6], mean=4.0) == [4, 4]
    assert bits_by_layer(damage, [10, 20], [4, 5, 6], mean=6.0) == [6, 6]


def test_more_bits_that_take_no_damage_away_are_not_given():
    assert bits_by_layer([[1.0, 1.0], [1.0, 2.0]], [5, 5], [4, 8], mean=8.0) == [4, 4]


def test_a_step_of_two_levels_is_taken_where_the_first_alone_does_not_help():
    assert bits_by_layer([[9.0, 9.0, 1.0]], [10], [4, 5, 6], mean=6.0) == [6]
