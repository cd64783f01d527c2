"""Parts of DNeRV."""

import math

import pytest
import torch
from torch.nn import functional as F

from vcl.layers.difference import ContentUnit, PlainBlock, PlainEncoder


@pytest.mark.parametrize(("strides", "grid"), [((2,), (12, 18)), ((3, 2), (4, 6)), ((2, 2, 3), (2, 3))])
def test_an_encoder_scales_down_by_the_product_of_its_strides(strides, grid):
    assert PlainEncoder(6, strides, 8, 2)(torch.rand(3, 6, 24, 36)).shape == (3, 2, *grid)


def test_published_encoders_have_what_makes_the_published_total():
    with torch.device("meta"):
        content, difference = PlainEncoder(3, (5, 4, 4, 3, 2), 64, 16), PlainEncoder(6, (4, 3, 2), 64, 2)
    total = sum(parameter.numel() for encoder in (content, difference) for parameter in encoder.parameters())
    assert total == pytest.approx(3_950_000 - 3_404_000, abs=10_000)


def test_a_block_has_neither_norm_nor_scale():
    block = PlainBlock(4).requires_grad_(False)
    x = torch.rand(2, 4, 5, 6)
    inner = F.conv2d(x, block.depthwise.weight, padding=3, groups=4)
    inner = F.conv2d(F.gelu(F.conv2d(inner, block.wide.weight)), block.narrow.weight)
    torch.testing.assert_close(block(x), x + inner)
    assert len(list(block.parameters())) == 6


def test_the_unit_by_hand():
    unit = ContentUnit(1, scaled=False).requires_grad_(False)
    for number, layer in enumerate(unit.children()):
        layer.weight.zero_()[..., 1, 1] = (0.5, 2.0, -1.0, 0.25)[number]
        layer.bias.fill_((0.0, 0.1, 0.2, 0.3)[number])
    c, d = 0.8, -0.4
    new = math.tanh(0.5 * c + 2 * d + 0.1)
    gate = 1 / (1 + math.exp(-(-c + 0.25 * d + 0.5)))
    given = unit(torch.full((1, 1, 1, 1), c), torch.full((1, 1, 1, 1), d))
    assert float(given) == pytest.approx(gate * new + (1 - gate) * c)
