import pytest
import torch
from torch import nn
from torch.nn import functional as F

from vcl.layers.fourier import FourierOperator
from vcl.layers.light import LightBlock, LightUp, light_first
from vcl.layers.upsample import UpsampleBlock


def maps(channels, seed=0):
    return torch.randn(2, channels, 4, 6, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("inputs", "outputs", "numbers"),
    [(8, 12, 8 * 9 * 18 + 18 + 2 * 9 * 12 + 12), (12, 8, 12 * 9 * 8 + 8 + 8 * 9 * 72 + 72), (3, 3, 243 + 9 + 27 + 3)],
)
def test_the_light_convolutions_have_few_numbers(inputs, outputs, numbers):
    light = LightUp(inputs, outputs, 3)
    assert sum(parameter.numel() for parameter in light.parameters()) == numbers
    assert light(maps(inputs)).shape == (2, outputs, 12, 18)


def test_pixels_are_shuffled_between_the_convolutions_where_channels_do_not_become_fewer():
    light, x = LightUp(8, 8, 2), maps(8)
    between = F.pixel_shuffle(F.conv2d(x, light.first.weight, light.first.bias, padding=1), 2)
    torch.testing.assert_close(light(x), F.conv2d(between, light.second.weight, light.second.bias, padding=1))


def test_pixels_are_shuffled_after_them_where_channels_become_fewer():
    light, x = LightUp(8, 4, 2), maps(8)
    between = F.conv2d(x, light.first.weight, light.first.bias, padding=1)
    wide = F.conv2d(between, light.second.weight, light.second.bias, padding=1)
    torch.testing.assert_close(light(x), F.pixel_shuffle(wide, 2))


def test_the_first_block_becomes_light_unless_it_is_an_operator_alone():
    operator = FourierOperator(4, 6, (4, 6))
    for first, light in (
        (UpsampleBlock(nn.Conv2d(4, 24, 3), operator, 2), True),
        (UpsampleBlock(None, operator, 2), False),
    ):
        blocks = nn.ModuleList([first, UpsampleBlock(nn.Conv2d(6, 6, 3), None, 1)])
        light_first(blocks, [4, 6, 6])
        assert [isinstance(block, LightBlock) for block in blocks] == [light, False]
        assert blocks[0].operator is operator
        assert blocks[0](maps(4)).shape == (2, 6, 8, 12)


def test_a_block_activates_once_the_sum_with_the_operator():
    light, operator, x = LightUp(4, 4, 2), FourierOperator(4, 4, (4, 6)), maps(4)
    torch.testing.assert_close(LightBlock(light, None, "gelu")(x), F.gelu(light(x)))
    both = LightBlock(light, operator, "gelu")(x)
    torch.testing.assert_close(both, F.gelu(light(x) + operator(x, (8, 12))))
