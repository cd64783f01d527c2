import pytest
import torch
from torch.nn import functional as F

from vcl.layers.latents import around, read

PLACES = torch.rand(2, 50, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (3, 5)])
def test_vectors_weighted_by_area_are_what_bilinear_interpolation_gives(size):
    grid = torch.randn(2, 6, *size, generator=torch.Generator().manual_seed(1))
    near = around(PLACES, size)
    found = (read(grid, near.cell) * near.weight[..., None]).view(2, 50, 4, 6).sum(2)
    expected = F.grid_sample(grid, PLACES.flip(-1)[:, :, None], padding_mode="border", align_corners=False)
    torch.testing.assert_close(found, expected[..., 0].mT, atol=1e-5, rtol=1e-5)


def test_the_way_leads_from_the_vector_to_the_place():
    near = around(PLACES, (3, 5))
    cell = torch.stack((near.cell // 5, near.cell % 5), dim=-1)
    # Vectors lie half a cell within the edges.
    place = (cell + near.way + 0.5) / torch.tensor([3.0, 5.0]) * 2 - 1
    torch.testing.assert_close(place.view(2, 50, 4, 2), PLACES[:, :, None].expand(2, 50, 4, 2), atol=1e-5, rtol=0)


def test_on_a_vector_it_alone_counts():
    near = around(torch.tensor([[[0.0, -0.8], [0.0, 0.8]]]), (3, 5))
    weight = near.weight.view(2, 4)
    assert near.cell.view(2, 4)[0][weight[0] > 0.5].tolist() == [5]
    assert near.cell.view(2, 4)[1][weight[1] > 0.5].tolist() == [9]
    torch.testing.assert_close(weight.amax(1), torch.ones(2))
