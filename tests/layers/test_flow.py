import pytest
import torch
from torch.nn import functional as F

from vcl.layers.flow import enlarged, warped


@pytest.mark.parametrize("scale", [1, 2, 3, 5])
@pytest.mark.parametrize("size", [(5, 7), (1, 2)])
def test_enlarging_is_bilinear_interpolation(size, scale):
    x = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    expected = F.interpolate(x, scale_factor=scale, mode="bilinear")
    torch.testing.assert_close(enlarged(x, scale), expected, rtol=0, atol=1e-5)


def test_maps_and_gradients_are_those_of_grid_sample():
    frames = torch.rand(2, 3, 6, 8, requires_grad=True)
    flow = (4 * torch.randn(2, 2, 6, 8)).requires_grad_()
    rows, columns = torch.arange(6)[:, None] + flow[:, 0], torch.arange(8) + flow[:, 1]
    places = torch.stack((columns / 7, rows / 5), dim=-1) * 2 - 1
    outside = F.grid_sample(frames, places, padding_mode="border", align_corners=True)
    moved = warped(frames, flow)
    torch.testing.assert_close(moved, outside, rtol=1e-4, atol=1e-5)
    of_moved, of_outside = (
        torch.autograd.grad(image.square().sum(), (frames, flow), retain_graph=True) for image in (moved, outside)
    )
    for gradient, expected in zip(of_moved, of_outside, strict=True):
        torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-4)


def test_a_map_is_moved_by_whole_and_half_pixels_and_stands_still_at_its_edges():
    x = torch.arange(12.0).view(1, 1, 3, 4)

    def moved(right, down):
        return warped(x, torch.tensor([down, right]).view(1, 2, 1, 1).expand(1, 2, 3, 4))[0, 0]

    torch.testing.assert_close(moved(0.0, 0.0), x[0, 0])
    torch.testing.assert_close(moved(1.0, 0.0)[0], torch.tensor([1.0, 2, 3, 3]))
    torch.testing.assert_close(moved(-0.5, 0.0)[1], torch.tensor([4.0, 4.5, 5.5, 6.5]))
    torch.testing.assert_close(moved(0.0, 1.0)[:, 0], torch.tensor([4.0, 8, 8]))
    torch.testing.assert_close(moved(0.0, 99.0), x[0, 0, 2].expand(3, 4))


@pytest.mark.parametrize("size", [(1, 5), (5, 1), (1, 1)])
def test_a_map_of_one_line_is_moved_along_it(size):
    x = torch.rand(2, 3, *size)
    torch.testing.assert_close(warped(x, torch.zeros(2, 2, *size)), x)
    torch.testing.assert_close(warped(x, torch.full((2, 2, *size), 9.0)), x[..., -1:, -1:].expand_as(x))


def test_flows_that_are_no_numbers_give_none():
    flow = torch.zeros(1, 2, 3, 4)
    flow[0, 0, 1, 2] = torch.nan
    moved = warped(torch.rand(1, 1, 3, 4), flow)
    assert bool(moved[0, 0, 1, 2].isnan())
    assert int(moved.isnan().sum()) == 1
