"""Kernels of SSIM, beside convolutions in float64; without a GPU in Triton's interpreter."""

import pytest
import torch

from vcl import kernels
from vcl.metrics import quality

pytest.importorskip("triton")

from vcl.kernels import ssim as kernel

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def noisy(shape, noise=0.2):
    """Decoded and true frames."""
    source = torch.Generator().manual_seed(0)
    truth = torch.rand(shape, generator=source)
    decoded = (truth + noise * (torch.rand(shape, generator=source) - 0.5)).clamp(0, 1)
    return decoded.to(DEVICE), truth.to(DEVICE)


def with_gradient(function, decoded, truth):
    """The mean, and the gradient of a loss that it is a part of."""
    decoded = decoded.detach().requires_grad_()
    mean = function(decoded, truth)
    (0.3 * (1 - mean)).backward()
    return mean.detach(), decoded.grad


def distance(found, expected):
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize(("shape", "side"), [((2, 1, 11, 11), 32), ((1, 1, 13, 40), 16), ((1, 2, 37, 50), 64)])
def test_mean_ssim_and_its_gradient_are_those_of_float64(shape, side, monkeypatch):
    monkeypatch.setattr(kernel, "_SIDE", side)
    decoded, truth = noisy(shape)
    mean, gradient = with_gradient(kernel.mean_ssim, decoded, truth)
    expected, expected_gradient = with_gradient(quality.mean_ssim, decoded.double(), truth.double())
    assert mean.item() == pytest.approx(expected.item(), abs=1e-6)
    assert distance(gradient, expected_gradient) < 1e-5


def test_two_flat_frames_have_the_similarity_of_their_means_and_need_no_gradient():
    dark, bright = (torch.full((1, 1, 11, 12), value, device=DEVICE) for value in (0.3, 0.6))
    # Without variance only the term of the means is left: (2ab + c) / (aa + bb + c) with c = 0.01 ** 2.
    assert float(kernel.mean_ssim(dark, bright)) == pytest.approx((0.36 + 1e-4) / (0.45 + 1e-4), abs=5e-5)


def test_the_metric_takes_the_kernel_where_it_can_and_pytorch_for_all_else(monkeypatch):
    monkeypatch.setattr(kernels, "runs_on", lambda *tensors: True)
    taken = []
    monkeypatch.setattr(kernel, "mean_ssim", lambda *pair: taken.append(pair))
    decoded, truth = noisy((1, 2, 12, 12))
    assert quality.mean_ssim(decoded, truth) is None
    (pair,) = taken
    assert pair[0] is decoded
    assert pair[1] is truth
    expected = pytest.approx(float(quality.mean_ssim(decoded.double(), truth.double())), abs=1e-5)
    assert float(quality.mean_ssim(decoded, truth.mT.contiguous().mT)) == expected
    assert float(quality.mean_ssim(decoded, truth.clone().requires_grad_()).detach()) == expected
    with pytest.raises(RuntimeError, match="size"):
        quality.mean_ssim(decoded[..., :9].contiguous(), truth[..., :9].contiguous())
    assert len(taken) == 1


@pytest.mark.gpu
def test_hd_frames_on_a_gpu_give_what_pytorch_gives_in_the_same_bits_every_time(monkeypatch):
    decoded, truth = noisy((2, 3, 720, 1280))
    mean, gradient = with_gradient(quality.mean_ssim, decoded, truth)
    again, gradient_again = with_gradient(quality.mean_ssim, decoded, truth)
    assert torch.equal(mean, again)
    assert torch.equal(gradient, gradient_again)
    monkeypatch.setattr(kernels, "runs_on", lambda *tensors: False)
    expected, expected_gradient = with_gradient(quality.mean_ssim, decoded.double(), truth.double())
    assert mean.item() == pytest.approx(expected.item(), abs=1e-6)
    assert distance(gradient, expected_gradient) < 1e-5


@pytest.mark.gpu
def test_a_cuda_graph_replays_the_kernels_with_new_frames():
    decoded, truth = noisy((1, 3, 40, 64))
    decoded.requires_grad_()
    (expected,) = torch.autograd.grad(quality.mean_ssim(decoded, truth), decoded)  # Compiles the kernels.
    graph = torch.cuda.CUDAGraph()
    static = torch.full_like(truth, 0.5)
    with torch.cuda.graph(graph):
        (gradient,) = torch.autograd.grad(quality.mean_ssim(decoded, static), decoded)
    static.copy_(truth)
    graph.replay()
    assert torch.equal(gradient, expected)
