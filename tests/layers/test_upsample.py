import pytest
import torch
from torch import nn
from torch.nn import functional as F

from vcl.layers import upsample
from vcl.layers.upsample import UpsampleBlock, activated_head, pixel_shuffle


def plainly(raw, head, stride):
    return torch.einsum("bchw,boc->bohw", F.pixel_shuffle(F.silu(raw), stride), head)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("rows", [1, 7, 8192])
def test_head_before_the_shuffle_is_the_head_after_it_and_so_are_its_gradients(stride, rows, monkeypatch):
    monkeypatch.setattr(upsample, "_ROWS", rows)
    source = torch.Generator().manual_seed(0)
    raw = torch.randn(2, 4 * stride**2, 5, 6, generator=source, dtype=torch.float64, requires_grad=True)
    head = torch.randn(2, 3, 4, generator=source, dtype=torch.float64, requires_grad=True)
    ours, theirs = activated_head(raw, head, stride), plainly(raw, head, stride)
    assert ours.is_contiguous()
    torch.testing.assert_close(ours, theirs)
    grad = torch.randn(ours.shape, generator=source, dtype=torch.float64)
    for mine, other in zip(
        torch.autograd.grad(ours, (raw, head), grad), torch.autograd.grad(theirs, (raw, head), grad), strict=True
    ):
        torch.testing.assert_close(mine, other)


def test_head_gives_float32_colours_of_half_precision_features():
    raw, head = torch.randn(1, 16, 3, 3).bfloat16().requires_grad_(), torch.randn(1, 3, 4)
    frames = activated_head(raw, head, 2)
    frames.sum().backward()
    assert frames.dtype == torch.float32
    assert raw.grad.dtype == torch.bfloat16
    torch.testing.assert_close(frames.detach(), plainly(raw.detach().float(), head, 2))


@pytest.mark.parametrize("stride", [1, 2, 5])
@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_pixel_shuffle_keeps_the_memory_format_on_every_device(device, memory_format, stride):
    # Shapes and strides of the meta device are those of CUDA.
    x = torch.empty(2, 3 * stride**2, 4, 6, device=device).to(memory_format=memory_format)
    finer = pixel_shuffle(x, stride)
    assert finer.shape == (2, 3, 4 * stride, 6 * stride)
    assert finer.is_contiguous(memory_format=memory_format)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_pixel_shuffle_in_channels_last_order_gives_the_values_of_pytorch_and_their_gradient(stride):
    x = torch.randn(2, 3 * stride**2, 4, 5).to(memory_format=torch.channels_last).requires_grad_()
    ours, theirs = upsample._channels_last_shuffle(x, stride), F.pixel_shuffle(x, stride)
    assert torch.equal(ours, theirs)
    grad = torch.randn(ours.shape).to(memory_format=torch.channels_last)
    gradients = [torch.autograd.grad((finer * grad).sum(), x)[0] for finer in (ours, theirs)]
    assert torch.equal(*gradients)
    assert gradients[0].is_contiguous(memory_format=torch.channels_last)


def test_a_block_keeps_channels_last_order_wherever_its_convolution_does():
    features = torch.empty(1, 12, 4, 6, device="meta").to(memory_format=torch.channels_last)
    finer = UpsampleBlock(nn.Identity(), None, 2)(features)
    assert finer.is_contiguous(memory_format=torch.channels_last)
    assert not finer.is_contiguous()
