import math

import torch

from vcl.layers.octaves import OctaveEncoding


def test_each_coordinate_turns_half_a_turn_once_twice_and_so_on():
    of_half, of_whole = OctaveEncoding(3)(torch.tensor([[0.5], [1.0]])).tolist()
    expected = [math.sin(math.pi / 2), 0, 0, 0, -1, 1]
    torch.testing.assert_close(torch.tensor(of_half), torch.tensor(expected), atol=1e-6, rtol=0)
    torch.testing.assert_close(torch.tensor(of_whole), torch.tensor([0.0, 0, 0, -1, 1, 1]), atol=1e-5, rtol=0)


def test_coordinates_stand_side_by_side():
    points = torch.tensor([[[0.1, -0.4, 0.7], [0.0, 0.2, 1.0]]])
    encoded = OctaveEncoding(4)(points)
    assert encoded.shape == (1, 2, 24)
    for axis in range(3):
        alone = OctaveEncoding(4)(points[..., axis : axis + 1])
        here = slice(4 * axis, 4 * axis + 4)
        torch.testing.assert_close(encoded[..., :12][..., here], alone[..., :4])
        torch.testing.assert_close(encoded[..., 12:][..., here], alone[..., 4:])
