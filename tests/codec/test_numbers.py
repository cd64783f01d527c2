"""Numbers as fields: integers times steps, floats, and what a payload with wrong ones says."""

import math
import struct

import numpy as np
import pytest

from vcl.codec.fields import FieldReader, FieldWriter
from vcl.codec.numbers import Drawn, Numbers, Place, read_numbers, write_numbers
from vcl.codec.symbols import pack_arrays
from vcl.errors import BitstreamError
from vcl.layers import init

STEPS = np.array([0.5, 1.0, 17 * 2.0**-20], np.float32)
ROWS = np.array([0, 0, 2, 2, 2], np.int32)


def payload_of(*tensors, bounds=()):
    writer = FieldWriter()
    write_numbers(writer, tensors, bounds)
    return writer.bytes()


def numbers_in(payload, *places):
    return read_numbers(FieldReader(payload, "a payload"), places)


def integers_times_steps(*integers):
    return np.array(integers, np.float32) * STEPS[ROWS]


def test_integers_come_back_with_the_steps_of_rows_that_have_numbers():
    values = integers_times_steps(1, -2, 127, 0, -127)
    place = Place(ROWS, 3)
    (numbers,) = numbers_in(payload_of((Numbers(values, STEPS), place)), place)
    assert numbers.values.tolist() == values.tolist()
    assert (
        numbers.steps.tolist() == STEPS.tolist()
    )  # The step of the row between is 1, as that of any without a number.
    assert (numbers.values.dtype, numbers.steps.dtype) == (np.float32, np.float32)


@pytest.mark.parametrize("number", [0.0, -0.0, math.pi, math.inf, -math.inf, math.nan, 1e-45, 3e38])
def test_floats_come_back_bit_for_bit(number):
    values = np.array([number, 1.0], np.float32)
    place = Place(np.zeros(2, np.int32), 1)
    payload = payload_of((Numbers(values, None), place))
    (numbers,) = numbers_in(payload, place)
    assert numbers.values.tobytes() == values.tobytes()
    assert (numbers.steps, numbers.bits, len(payload)) == (None, 64.0, 9)


def test_several_tensors_some_of_them_empty_stand_behind_one_another():
    integer, empty, real = (Place(ROWS, 3), Place(ROWS[:0], 4), Place(np.zeros(3, np.int32), 1))
    values = integers_times_steps(3, 1, 4, 1, 5)
    floats = np.array([0.1, 0.2, 0.3], np.float32)
    tensors = (
        (Numbers(values, STEPS), integer),
        (Numbers(values[:0], np.ones(4, np.float32)), empty),
        (Numbers(floats, None), real),
        (Numbers(-values, STEPS), integer),
    )
    first, none, third, last = numbers_in(payload_of(*tensors), integer, empty, real, integer)
    assert (first.values.tolist(), last.values.tolist()) == (values.tolist(), (-values).tolist())
    assert (none.values.size, none.steps.tolist(), none.bits) == (0, [1.0] * 4, 0.0)
    assert third.values.tolist() == floats.tolist()


@pytest.mark.parametrize("purpose", [(), (2,)])
def test_integers_near_their_first_values_are_coded_as_their_difference(purpose):
    count, bound, step = 3000, 0.3, 2.0**-7
    place = Place(np.zeros(count, np.int32), 1, Drawn(9, "w", 2, count))
    first = init.drawn_values(count, bound, 9, "value", "w", *purpose)
    values = (np.rint(first / step) * step).astype(np.float32)
    numbers = Numbers(values, np.array([step], np.float32))
    drawn, alone = payload_of((numbers, place), bounds=[bound]), payload_of((numbers, place), bounds=[None])
    assert len(drawn) < 50 < 1500 < len(alone)
    for payload in (drawn, alone):
        assert numbers_in(payload, place)[0].values.tolist() == values.tolist()


def test_only_the_chosen_weights_are_drawn_again():
    chosen = np.arange(40) % 3 == 0
    drawn = Drawn(9, "w", 0, 40, chosen)
    ones = np.ones(chosen.sum(), np.float32)
    all_values = init.drawn_values(40, 100.0, 9, "value", "w")
    assert drawn.integers(2, 100.0, ones).tolist() == np.rint(all_values[chosen]).tolist()


def test_first_values_far_beyond_their_step_stand_for_a_thousand_steps():
    far = Drawn(1, "w", 0, 50).integers(2, 1000.0, np.full(50, 2.0**-60, np.float32))
    assert set(far.tolist()) == {-1000, 1000}


@pytest.mark.parametrize(
    ("values", "steps", "message"),
    [
        ([0.75], [0.5], "a number with a step must be an integer times that step"),
        ([33.0], [33.0], "a step must have 16 values in an octave"),
        ([math.nan], [0.5], "a number with a step must be an integer times that step"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")
def test_numbers_that_steps_cannot_hold_are_not_written(values, steps, message):
    place = Place(np.zeros(1, np.int32), 1)
    numbers = Numbers(np.array(values, np.float32), np.array(steps, np.float32))
    with pytest.raises(BitstreamError, match=message):
        payload_of((numbers, place))


def coded(coder, *arrays, bound=b""):
    return bytes([coder]) + bound + pack_arrays([np.array(array, np.int32) for array in arrays])


ONE_ROW = Place(np.zeros(2, np.int32), 1, Drawn(0, "w", 0, 2))


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"", "a payload ends within a field: 1 bytes at 0 of 0"),
        (bytes([4]), "the coder of numbers of a payload must lie in 0..3, got 4"),
        (bytes([0]) + bytes(7), "a payload ends within a field: 8 bytes at 1 of 8"),
        (bytes([0]) + bytes(9), "a stream of no symbols has no bytes, got 1"),
        (bytes([2]) + bytes(7), "a payload ends within a field: 8 bytes at 1 of 8"),
        (coded(2, [0], [1, 2], bound=struct.pack("<d", -1)), r"first weights must lie in \[0, 1000\], got -1"),
        (coded(2, [0], [1, 2], bound=struct.pack("<d", math.nan)), r"first weights must lie in \[0, 1000\], got nan"),
        (coded(3, [0], [1, 2], bound=struct.pack("<d", math.inf)), r"first weights must lie in \[0, 1000\], got inf"),
        (coded(1, [16 * 61], [1, 2]), "the exponent of a step must lie within ±60"),
        (coded(1, [-16 * 61], [1, 2]), "the exponent of a step must lie within ±60"),
        (coded(1, [-(2**31)], [1, 2]), "the exponent of a step must lie within ±60"),
        (coded(1, [0]), "a section of integers has 2 bytes or more, got 0"),
        (coded(1, [0], [1, 2]) + b"\0", "a stream of"),
    ],
)
def test_malformed_numbers_are_refused_in_one_line(payload, message):
    with pytest.raises(BitstreamError, match=message) as refusal:
        numbers_in(payload, ONE_ROW)
    assert "\n" not in str(refusal.value)


def test_numbers_without_first_values_have_no_coder_that_needs_some():
    place = Place(np.zeros(2, np.int32), 1)
    with pytest.raises(BitstreamError, match=r"must lie in 0..1, got 2"):
        numbers_in(coded(2, [0], [1, 2], bound=bytes(8)), place)


def test_the_largest_integers_and_steps_that_a_file_may_hold_stay_finite():
    payload = coded(1, [16 * 60 + 15], [2**31 - 1, 2**31 - 4096])
    (numbers,) = numbers_in(payload, ONE_ROW)
    assert numbers.values.tolist() == [2.0**31 * 31 * 2.0**60, np.float32(2**31 - 4096) * 31 * 2.0**60]


def test_a_sum_beyond_32_bits_wraps_around_and_nothing_else_happens():
    place = Place(np.zeros(1, np.int32), 1, Drawn(0, "w", 0, 1))
    payload = coded(2, [0], [2**31 - 1], bound=struct.pack("<d", 1000.0))
    (numbers,) = numbers_in(payload, place)
    assert np.isfinite(numbers.values).all()
