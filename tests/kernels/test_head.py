"""Kernels of the head, beside the head of a shuffled activation in float64; without a GPU in Triton's interpreter."""

import pytest
import torch
from torch.nn import functional as F

from vcl import kernels
from vcl.layers import upsample

pytest.importorskip("triton")

from vcl.kernels import head as kernel

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")

# The interpreter cuts numbers to bfloat16 where a GPU rounds them.
ROUNDING = {torch.float32: 1e-6, torch.bfloat16: 2**-7, torch.float16: 2**-10}


def drawn(batch, channels, outputs, stride, size, dtype=torch.float32):
    """Features, a head, and a gradient of the frames."""
    source = torch.Generator().manual_seed(0)
    features = 3 * torch.randn(batch, channels * stride**2, *size, generator=source)
    head = torch.randn(batch, outputs, channels, generator=source)
    grad = torch.randn(batch, outputs, stride * size[0], stride * size[1], generator=source)
    return features.to(DEVICE, dtype), head.to(DEVICE), grad.to(DEVICE)


def plainly(raw, head, stride):
    return torch.einsum("bchw,boc->bohw", F.pixel_shuffle(F.silu(raw), stride), head)


def with_gradients(function, features, head, grad, stride):
    features, head = features.detach().requires_grad_(), head.detach().requires_grad_()
    frames = function(features, head, stride)
    return frames.detach(), *torch.autograd.grad((frames * grad).sum(), (features, head))


def assert_near(found, expected, error):
    assert found.shape == expected.shape
    assert float((found.double() - expected).norm()) <= error * float(expected.norm())


@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize(
    ("case", "dtype"),
    [
        ((2, 40, 3, 2, (3, 7)), torch.float32),
        ((1, 5, 16, 1, (7, 9)), torch.float32),
        ((2, 3, 1, 3, (5, 4)), torch.float32),
        ((1, 66, 2, 2, (1, 5)), torch.bfloat16),
        ((1, 8, 3, 2, (4, 11)), torch.float16),
    ],
)
def test_frames_and_both_gradients_are_those_of_the_formula(case, dtype, memory_format):
    *_, stride, _ = case
    features, head, grad = drawn(*case, dtype)
    features = features.contiguous(memory_format=memory_format)
    frames, to_features, to_head = with_gradients(kernel.activated_head, features, head, grad, stride)
    expected = with_gradients(plainly, features.double(), head.double(), grad, stride)
    assert frames.dtype == to_head.dtype == torch.float32
    assert frames.is_contiguous()
    assert to_features.dtype == dtype
    assert to_features.is_contiguous(memory_format=memory_format)
    assert_near(frames, expected[0], 1e-6)
    assert_near(to_features, expected[1], ROUNDING[dtype])
    assert_near(to_head, expected[2], 1e-6)


@pytest.mark.filterwarnings("ignore:overflow encountered in exp")
def test_features_far_from_0_pass_or_vanish():
    features = torch.tensor([-200.0, -90, 0, 90, 200], device=DEVICE).view(1, 1, 1, 5)
    head, grad = torch.ones(1, 1, 1, device=DEVICE), torch.ones(1, 1, 1, 5, device=DEVICE)
    frames, to_features, _ = with_gradients(kernel.activated_head, features, head, grad, 1)
    assert frames.flatten().tolist() == pytest.approx([0, 0, 0, 90, 200], abs=1e-6)
    assert to_features.flatten().tolist() == pytest.approx([0, 0, 0.5, 1, 1], abs=1e-6)


def test_a_layer_takes_the_kernel_where_it_can_and_pytorch_for_all_else(monkeypatch):
    monkeypatch.setattr(kernels, "runs_on", lambda *tensors: True)
    taken = []
    monkeypatch.setattr(kernel, "activated_head", lambda *args: taken.append(args))
    features, head, _ = drawn(1, 4, 3, 2, (2, 3))
    assert upsample.activated_head(features, head, 2) is None
    assert [argument is given for argument, given in zip(taken.pop(), (features, head, 2), strict=True)] == [True] * 3
    for raw, wide in (
        (features.double(), head.double()),
        (features.bfloat16(), head.double()),
        (features, head.repeat(1, 6, 1)),
        (features.repeat(1, 600, 1, 1), head.repeat(1, 1, 600)),
    ):
        assert upsample.activated_head(raw, wide, 2).shape == (1, wide.shape[1], 4, 6)
    assert not taken


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_head_of_hd_frames_on_a_gpu_is_that_of_pytorch_in_the_same_bits_every_time(dtype, monkeypatch):
    features, head, grad = drawn(2, 96, 3, 2, (360, 640), dtype)
    features = features.contiguous(memory_format=torch.channels_last)
    once, again = (with_gradients(upsample.activated_head, features, head, grad, 2) for _ in range(2))
    assert all(torch.equal(*pair) for pair in zip(once, again, strict=True))
    monkeypatch.setattr(kernels, "runs_on", lambda *tensors: False)
    expected = with_gradients(upsample.activated_head, features, head, grad, 2)
    for found, value, error in zip(
        once, expected, (1e-6, 2**-8 if dtype == torch.bfloat16 else 1e-6, 1e-5), strict=True
    ):
        assert_near(found, value.double(), error)
