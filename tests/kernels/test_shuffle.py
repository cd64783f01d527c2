"""The kernels of an activated pixel shuffle, beside PyTorch's own; without a GPU in Triton's interpreter."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from vcl import kernels
from vcl.layers import upsample

pytest.importorskip("triton")

from vcl.kernels import shuffle as kernel

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")

# The interpreter cuts numbers to bfloat16 where a GPU rounds them.
ROUNDING = {torch.float32: 1e-6, torch.bfloat16: 2**-7}


def plainly(features, stride):
    return F.pixel_shuffle(F.silu(features), stride)


def drawn(batch, channels, stride, size, dtype):
    """Features, and a gradient of what the shuffle makes of them."""
    source = torch.Generator().manual_seed(0)
    features = 3 * torch.randn(batch, channels * stride**2, *size, generator=source)
    grad = torch.randn(batch, channels, size[0] * stride, size[1] * stride, generator=source)
    return tuple(x.to(DEVICE, dtype, memory_format=torch.channels_last) for x in (features, grad))


def with_gradient(function, features, grad, stride):
    features = features.detach().requires_grad_()
    finer = function(features, stride)
    return finer.detach(), torch.autograd.grad((finer * grad).sum(), features)[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("case", [(2, 40, 2, (3, 7)), (1, 3, 3, (5, 4)), (1, 5, 1, (2, 3)), (1, 33, 5, (1, 2))])
def test_values_and_gradient_are_those_of_the_formula_in_channels_last_order(case, dtype):
    features, grad = drawn(*case, dtype)
    found = with_gradient(kernel.activated_shuffle, features, grad, case[2])
    expected = with_gradient(plainly, features.double(), grad.double(), case[2])
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == dtype
        assert ours.shape == theirs.shape
        assert ours.is_contiguous(memory_format=torch.channels_last)
        assert float((ours.double() - theirs).norm() / theirs.norm()) < ROUNDING[dtype]


def test_a_block_takes_the_kernel_for_features_in_channels_last_order_and_pytorch_for_all_else(monkeypatch):
    monkeypatch.setattr(kernels, "runs_on", lambda *tensors: True)
    taken = []
    monkeypatch.setattr(kernel, "activated_shuffle", lambda *args: taken.append(args))
    features, _ = drawn(1, 3, 2, (4, 5), torch.float32)
    block = upsample.UpsampleBlock(nn.Identity(), None, 2)
    assert block(features) is None
    assert [argument is given for argument, given in zip(taken.pop(), (features, 2), strict=True)] == [True] * 2
    for other in (features.contiguous(), features.double()):
        assert torch.equal(block(other), plainly(other, 2))
    assert not taken


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_features_of_hd_frames_on_a_gpu_are_those_of_pytorch_in_the_same_bits_every_time(dtype):
    features, grad = drawn(2, 96, 2, (180, 320), dtype)
    once, again = (with_gradient(kernel.activated_shuffle, features, grad, 2) for _ in range(2))
    expected = with_gradient(plainly, features.double(), grad.double(), 2)
    for ours, same, theirs in zip(once, again, expected, strict=True):
        assert torch.equal(ours, same)
        assert float((ours.double() - theirs).norm() / theirs.norm()) < ROUNDING[dtype]
