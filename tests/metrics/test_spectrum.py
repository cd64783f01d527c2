"""Variance and radial spectrum of maps, against waves and noise whose numbers are known."""

import math

import pytest
import torch

from vcl.metrics.spectrum import frequencies, map_variance, radial_amplitude, relative_log_amplitude


def wave(height, width, down, across, amplitude=1.0, mean=0.0):
    y, x = torch.meshgrid(torch.arange(height) / height, torch.arange(width) / width, indexing="ij")
    return mean + amplitude * torch.cos(2 * math.pi * (down * y + across * x))


def test_variance_is_over_positions_and_its_mean_over_channels():
    # Channel 0: 0, 0, 2, 2 around 1, variance 1; channel 1: constant. The other frame has 0 and 9.
    maps = torch.tensor([[[[0.0, 2], [0, 2]], [[7, 7], [7, 7]]], [[[3, 3], [3, 3]], [[0, 6], [6, 0]]]])
    assert map_variance(maps).tolist() == [0.5, 4.5]


def test_variance_does_not_lose_small_differences_to_a_large_mean():
    assert map_variance(torch.tensor([[[[4096.0, 4096.5]]]])).tolist() == [0.0625]


@pytest.mark.parametrize("size", [(32, 48), (48, 32), (33, 47), (9, 16), (2, 2), (300, 400)])
def test_frequencies_go_from_zero_to_nyquist(size):
    centres = frequencies(size)
    assert centres[0] == 0
    assert centres[-1] == 1
    assert radial_amplitude(torch.rand(2, 3, *size)).shape == (2, len(centres))


@pytest.mark.parametrize(("down", "across"), [(5, 0), (0, 5), (3, 4), (-3, 4)])
def test_a_wave_has_its_amplitude_at_its_frequency_and_nowhere_else(down, across):
    # On 32 x 32 pixels Nyquist is at 16 cycles, and there are 16 bins: each of these waves lies in bin 5.
    spectrum = radial_amplitude(wave(32, 32, down, across, amplitude=3.0, mean=2.0)[None, None])[0]
    waves_in_bin = sum(round(math.hypot(y, x)) == 5 for y in range(-16, 16) for x in range(-16, 16))
    expected = torch.zeros(17, dtype=torch.float64)
    expected[0] = 2.0
    expected[5] = 2 * 1.5 / waves_in_bin  # Half of the amplitude at the frequency and at its negative.
    assert spectrum == pytest.approx(expected, abs=1e-6)


def test_a_wave_means_the_same_on_a_wider_map():
    # Eight pixels a cycle, a quarter of Nyquist, down or across a map that is twice as wide as high.
    for maps in (wave(32, 64, 4, 0), wave(32, 64, 0, 8)):
        spectrum = radial_amplitude(maps[None, None])[0]
        assert frequencies((32, 64))[spectrum.argmax()] == 0.25


def test_long_waves_of_a_wide_map_are_no_part_of_its_mean():
    spectrum = radial_amplitude(wave(16, 160, 0, 1)[None, None])[0]
    assert spectrum[0] == pytest.approx(0, abs=1e-6)
    assert spectrum.argmax() == 1


def test_white_noise_is_flat():
    noise = torch.randn(8, 8, 64, 64, generator=torch.Generator().manual_seed(0))
    spectrum = radial_amplitude(noise).mean(0)[1:]
    # Absolute values of complex Gaussian numbers of variance 1 / 64² have the mean √π / 2 / 64.
    assert spectrum == pytest.approx(torch.full((32,), math.sqrt(math.pi) / 2 / 64, dtype=torch.float64), rel=0.06)


def test_relative_amplitudes_are_natural_logarithms_and_rounding_errors_are_none():
    relative = relative_log_amplitude(torch.tensor([2.0, 2 / math.e, 1e-9, 0.0], dtype=torch.float64), 2.0)
    assert relative[:2].tolist() == pytest.approx([0, -1])
    assert relative[2:].isnan().all()
    assert relative_log_amplitude(torch.ones(2), 0.0).isnan().all()
