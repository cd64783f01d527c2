import pytest
import torch
from torch import nn

from vcl.layers.fourier import FourierOperator
from vcl.layers.upsample import UpsampleBlock


@pytest.mark.parametrize("stride", [1, 2, 5])
@pytest.mark.parametrize("size", [(4, 6), (5, 7)])
@pytest.mark.parametrize("paths", ["conv", "operator", "both"])
def test_block_scales_odd_and_even_sizes(stride, size, paths):
    conv = nn.Conv2d(2, 3 * stride**2, 3, padding=1, bias=False) if paths != "operator" else None
    operator = FourierOperator(2, 3, size) if paths != "conv" else None
    block = UpsampleBlock(conv, operator, stride)
    for parameter in block.parameters():
        torch.nn.init.constant_(parameter, 0.1)
    found = block(torch.rand(2, 2, *size))
    assert found.shape == (2, 3, size[0] * stride, size[1] * stride)


def test_block_with_both_paths_activates_their_sum():
    conv, operator = nn.Conv2d(2, 8, 3, padding=1, bias=False), FourierOperator(2, 2, (4, 4))
    for parameter in (*conv.parameters(), *operator.parameters()):
        torch.nn.init.uniform_(parameter, -1, 1)
    x = torch.rand(1, 2, 4, 4)
    both = UpsampleBlock(conv, operator, 2)(x)
    apart = torch.pixel_shuffle(conv(x), 2) + operator(x, (8, 8))
    torch.testing.assert_close(both, torch.nn.functional.silu(apart))


def test_block_without_any_path_is_refused():
    with pytest.raises(ValueError, match="needs a convolution or an operator"):
        UpsampleBlock(None, None, 2)
