import pytest
import torch

from vcl.layers.polynomial import PolynomialStem, nested_product, transposed_up


def test_parts_are_multiplied_one_after_the_other_each_added_to_what_was_there():
    parts = [torch.tensor([number]) for number in (2.0, 3.0, -5.0)]
    assert nested_product(parts).item() == (2 + 2 * 3) * (1 - 5)
    assert nested_product(parts[:1]).item() == 2


@pytest.mark.parametrize(("grid", "coarse"), [((9, 16), (3, 8)), ((2, 4), (1, 2)), ((1, 7), (1, 1)), ((25, 1), (5, 1))])
def test_a_stem_gives_a_map_of_its_grid_made_from_one_a_prime_coarser(grid, coarse):
    stem = PolynomialStem(6, 3, 5, grid, 2)
    assert stem.coarse == coarse
    assert stem(torch.ones(2, 6)).shape == (2, 5, *grid)


def test_a_stem_of_three_parts_is_a_polynomial_of_degree_three():
    stem = PolynomialStem(4, 3, 5, (2, 6), 3).double()
    x = torch.randn(1, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    values = torch.stack([stem(factor * x) for factor in range(5)]).detach()
    # The fourth differences of a polynomial of degree three are 0, the third are not.
    assert float(values.diff(n=4, dim=0).abs().max()) < 1e-9 < float(values.diff(n=3, dim=0).abs().min())


@pytest.mark.parametrize("stride", [1, 2, 3, 4, 5])
def test_a_transposed_convolution_scales_each_side_and_leaves_no_pixel_out(stride):
    layer = transposed_up(1, 1, stride)
    with torch.no_grad():
        layer.weight.fill_(1)
        layer.bias.zero_()
        found = layer(torch.ones(2, 1, 4, 6))
    assert found.shape == (2, 1, 4 * stride, 6 * stride)
    assert float(found.min()) >= 1
    assert layer.weight.numel() == max(3, stride) ** 2
