"""The Haar wavelet: exact both ways, and bands that mean what they are named for."""

import pytest
import torch

from vcl.layers.wavelet import haar, inverse_haar


@pytest.mark.parametrize("shape", [(2, 2), (3, 4, 6), (2, 3, 3, 8, 10)])
def test_the_inverse_is_exact_both_ways(shape):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    low, details = haar(x)
    assert low.shape == (*shape[:-2], shape[-2] // 2, shape[-1] // 2)
    assert details.shape == (*shape[:-2], 3, shape[-2] // 2, shape[-1] // 2)
    torch.testing.assert_close(inverse_haar(low, details), x, rtol=0, atol=1e-12)
    again = haar(inverse_haar(low, details))
    torch.testing.assert_close(again[0], low, rtol=0, atol=1e-12)
    torch.testing.assert_close(again[1], details, rtol=0, atol=1e-12)


def test_it_keeps_the_sum_of_squares():
    x = torch.randn(3, 8, 10, dtype=torch.float64)
    low, details = haar(x)
    torch.testing.assert_close(low.square().sum() + details.square().sum(), x.square().sum())


def test_a_square_of_pixels_by_hand():
    low, details = haar(torch.tensor([[7.0, 5.0], [4.0, 0.0]]))
    assert low.tolist() == [[8.0]]
    assert details.flatten().tolist() == [3.0, 4.0, -1.0]


def test_a_white_image_is_all_in_the_low_band():
    low, details = haar(torch.ones(3, 4, 6))
    assert bool((low == 2).all())
    assert not bool(details.any())


def test_stripes_are_in_the_band_of_their_direction():
    upright = haar(torch.tensor([1.0, 0.0]).repeat(4, 3))[1]
    lying = haar(torch.tensor([[1.0], [0.0]]).repeat(2, 6))[1]
    assert [bool(band.any()) for band in upright] == [True, False, False]
    assert [bool(band.any()) for band in lying] == [False, True, False]
