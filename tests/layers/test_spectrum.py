import numpy as np
import pytest

from vcl.layers.spectrum import frequencies

BAND, LOW = (4, 27, 53), (4, 7, 7)


def test_frequencies_are_one_turn_of_each_axis_then_low_ones_then_a_coarse_grid():
    chosen, is_low = frequencies(103, LOW, BAND, 0.7)
    assert chosen[:3].tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert bool(is_low[:73].all())
    assert not is_low[73:].any()
    assert bool((np.abs(chosen[:73]) <= LOW).all())
    assert bool((np.abs(chosen) <= BAND).all())
    assert bool((chosen[73:, 1] % 2 == 0).all())  # 27 // 12
    assert bool((chosen[73:, 2] % 4 == 0).all())  # 53 // 12
    assert bool((np.abs(chosen[73:, 1:]) > 7).any(1).all())


def test_no_frequency_is_another_s_opposite_and_none_is_zero():
    chosen, _ = frequencies(400, LOW, BAND, 0.7)
    known = {tuple(frequency) for frequency in chosen.tolist()}
    assert len(known) == 400
    assert not any(tuple(-number for number in frequency) in known for frequency in known)


def test_the_same_frequencies_are_drawn_each_time():
    one, other = (frequencies(50, LOW, BAND, 0.5)[0] for _ in range(2))
    assert np.array_equal(one, other)


@pytest.mark.parametrize(
    ("low", "band"), [((1, 1), (1, 1)), ((1, 1), (1, 2)), ((1, 1, 1), (1, 1, 1)), ((2, 2), (12, 12))]
)
@pytest.mark.parametrize("count", [1, 2, 3, 40])
@pytest.mark.parametrize("share", [0.0, 0.7, 1.0])
def test_of_a_narrow_band_frequencies_are_taken_again(low, band, count, share):
    chosen, is_low = frequencies(count, low, band, share)
    assert chosen.shape == (count, len(band))
    assert is_low.shape == (count,)
    assert bool((np.abs(chosen) <= band).all())
    assert bool(np.abs(chosen).any(1).all())
