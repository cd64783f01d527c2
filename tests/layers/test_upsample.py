import pytest
import torch
from torch.nn import functional as F

from vcl.layers import upsample
from vcl.layers.upsample import activated_head


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
