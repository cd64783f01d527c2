"""Blocks that scale features of a frame up, alone or with those of the motion before and after it."""

import pytest
import torch
from torch import nn

from vcl.layers.fourier import FourierOperator
from vcl.layers.fusion import transposed
from vcl.layers.temporal import ScaleUp, SpatialBlock, TemporalBlock


def up(inputs, outputs, stride):
    return ScaleUp(transposed(inputs, outputs, stride, scaled=False), None, stride)


def temporal(convolution, last, stride=2):
    others = [transposed(5, 4, stride, scaled=False) for _ in range(2)]
    return TemporalBlock(up(5, 4, stride), *others, 4, 8, convolution, last, scaled=False).requires_grad_(False)


def maps():
    return [torch.rand(2, 5, 3, 4, generator=torch.Generator().manual_seed(t)) for t in range(3)]


@pytest.mark.parametrize("stride", [1, 2, 5])
def test_a_spatial_block_scales_up(stride):
    block = SpatialBlock(up(5, 4, stride), 4, 2, scaled=False)
    assert block(maps()[0]).shape == (2, 4, 3 * stride, 4 * stride)
    assert block.first.out_channels == 8


@pytest.mark.parametrize("convolution", ["3d", "2d"])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_temporal_block_gives_three_maps_and_the_last_gives_one(convolution, stride):
    shape = (2, 4, 3 * stride, 4 * stride)
    assert [m.shape for m in temporal(convolution, False, stride)(*maps())] == [shape] * 3
    assert [m.shape for m in temporal(convolution, True, stride)(*maps())] == [shape]


@pytest.mark.parametrize("convolution", ["3d", "2d"])
@pytest.mark.parametrize("last", [False, True])
def test_without_its_convolutions_a_temporal_block_only_scales_each_map_up(convolution, last):
    block = temporal(convolution, last)
    block.second.weight.zero_()
    block.second.bias.zero_()
    before, now, after = maps()
    expected = [block.scale_before(before), block.scale_up(now), block.scale_after(after)]
    for given, plain in zip(block(before, now, after), expected[1:2] if last else expected, strict=True):
        torch.testing.assert_close(given, plain)


@pytest.mark.parametrize("convolution", ["3d", "2d"])
def test_the_map_of_now_depends_on_those_before_and_after(convolution):
    block = temporal(convolution, True)
    (plain,) = block(*maps())
    for side in (0, 2):
        changed = maps()
        changed[side] += 1
        assert not torch.equal(block(*changed)[0], plain)


def test_the_kernel_in_time_runs_from_before_to_after():
    block = temporal("3d", True)
    block.first.weight.zero_()
    block.first.weight[:, :, 0, 1, 1] = 1  # Each of the three sees the one before it, and the first sees nothing.
    block.first.bias.zero_()
    block.second.weight.zero_()
    block.second.weight[:, 1::3, 1, 1] = 1  # Now alone, which has seen what is before.
    before, now, after = maps()
    (given,) = block(before, now, after)
    assert torch.equal(given, block(before, now, after + 1)[0])
    assert not torch.equal(given, block(before + 1, now, after)[0])


def test_three_times_as_channels_lie_one_after_the_other():
    block = temporal("2d", False)
    block.second.weight.zero_()
    block.second.bias.zero_()
    block.second.bias[4:8] = 1  # Channels of now.
    before, now, after = maps()
    given = block(before, now, after)
    expected = block.scale_before(before), block.scale_up(now) + 1, block.scale_after(after)
    for here, there in zip(given, expected, strict=True):
        torch.testing.assert_close(here, there)


@pytest.mark.parametrize("last", [False, True])
def test_gradients_under_bfloat16_are_those_of_float32(last):
    torch.manual_seed(0)
    others = [transposed(5, 18, 2, scaled=False) for _ in range(2)]
    block = TemporalBlock(up(5, 18, 2), *others, 18, 36, "3d", last, scaled=False)
    maps = [torch.rand(1, 5, 40, 80) for _ in range(3)]

    def gradients(enabled):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            given = torch.stack(block(*maps))
        return torch.autograd.grad(given.float().square().mean(), [block.first.weight, block.second.weight])

    for half, whole in zip(gradients(True), gradients(False), strict=True):
        assert float((half - whole).norm()) < 0.02 * float(whole.norm())


def test_an_operator_is_added_or_stands_alone():
    x, operator = torch.rand(2, 3, 4, 6), FourierOperator(3, 5, (4, 6))
    conv = transposed(3, 5, 2, scaled=False)
    alone = ScaleUp(None, operator, 2)(x)
    torch.testing.assert_close(ScaleUp(conv, operator, 2)(x), alone + conv(x))
    with pytest.raises(ValueError, match="needs a convolution or an operator"):
        ScaleUp(None, None, 2)


def test_what_no_activation_follows_begins_smaller_than_what_one_does():
    assert transposed(3, 5, 2, scaled=True).gain == pytest.approx(0.5**0.5)
    assert transposed(3, 5, 2, scaled=False).gain is None
    assert isinstance(transposed(3, 5, 2, scaled=False), nn.ConvTranspose2d)
