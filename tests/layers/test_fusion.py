"""Features of three scales as one map."""

import pytest
import torch

from vcl.layers.fusion import ResidualBlock, ScaleFusion
from vcl.layers.masked import WeightRule, mask_weights, weights_of


@pytest.mark.parametrize("strides", [(2, 2), (3, 2), (1, 4)])
def test_three_maps_become_one_of_the_finest_size(strides):
    sides = [2, 2 * strides[0], 2 * strides[0] * strides[1]]
    maps = [torch.rand(2, width, side, 3 * side // 2) for width, side in zip((5, 4, 3), sides, strict=True)]
    assert ScaleFusion((5, 4, 3), strides, 2, scaled=False)(*maps).shape == maps[2].shape


def test_a_residual_block_by_hand():
    block = ResidualBlock(1, scaled=False, gain=1.0).requires_grad_(False)
    for convolution in (block.first, block.second):
        convolution.weight.zero_()[..., 1, 1] = 2
        convolution.bias.zero_()
    x = torch.tensor([3.0, -5.0]).view(1, 1, 1, 2)
    assert block(x).flatten().tolist() == [3 + 12, -5 + 0.1 * -20]


@pytest.mark.parametrize("capacity", [None, 0.3])
@pytest.mark.parametrize("blocks", [1, 6])
def test_scaled_first_weights_keep_the_size_of_what_goes_through_however_many_blocks_there_are(capacity, blocks):
    fusion = ScaleFusion((24, 24, 24), (2, 2), blocks, scaled=True).requires_grad_(False)
    for module in fusion.modules():
        if getattr(module, "bias", None) is not None:
            module.bias.zero_()
    mask_weights(fusion, lambda name: WeightRule(capacity))
    for name, weight in weights_of(fusion).items():
        weight.reset_values(0, name)
        weight.reset_scores(1, name)
    maps = [torch.randn(1, 24, side, side, generator=torch.Generator().manual_seed(side)) for side in (16, 32, 64)]
    assert 0.5 < float(fusion(*maps).detach().std()) < 3
