"""SiLU and a pixel shuffle of features in channels-last order, in one pass over them."""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import FunctionCtx

_NUMBERS, _CHANNELS = 4096, 32
"""What one program has at hand at most: numbers of the features, and channels side by side."""

_OPTIONS = {"num_warps": 8, "enable_fp_fusion": True}


def takes(features: Tensor) -> bool:
    """Whether ``activated_shuffle`` is for these features: of a type as it says, and in channels-last order."""
    types = torch.float32, torch.bfloat16, torch.float16
    return features.dtype in types and features.is_contiguous(memory_format=torch.channels_last)


def activated_shuffle(features: Tensor, stride: int) -> Tensor:
    """SiLU and pixel shuffle, computed in float32 and rounded once.

    Args:
        features: ``(B, C * stride ** 2, H, W)``, float32, bfloat16 or float16, in channels-last order.
        stride: of the pixel shuffle.

    Returns:
        ``(B, C, stride·H, stride·W)``, of the same type and in the same order.
    """
    finer: Tensor = _ActivatedShuffle.apply(features.permute(0, 2, 3, 1), stride)
    return finer.permute(0, 3, 1, 2)


class _ActivatedShuffle(torch.autograd.Function):
    """Of features ``(B, H, W, C * stride ** 2)`` to ``(B, stride·H, stride·W, C)``, both contiguous."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(features)
        ctx.stride = stride
        batch, height, width, channels = features.shape
        finer = features.new_empty(batch, height * stride, width * stride, channels // stride**2)
        grid, arguments = _launch(features, stride)
        with torch.cuda.device_of(features):
            _forward[grid](features, finer, *arguments, **_OPTIONS)
        return finer

    @staticmethod
    def backward(ctx: FunctionCtx, *grads: Tensor) -> tuple[Tensor, None]:
        (features,) = ctx.saved_tensors  # type: ignore[attr-defined]
        to_features = torch.empty_like(features)
        grid, arguments = _launch(features, ctx.stride)  # type: ignore[attr-defined]
        with torch.cuda.device_of(features):
            _backward[grid](features, grads[0].contiguous(), to_features, *arguments, **_OPTIONS)
        return to_features, None


def _launch(features: Tensor, stride: int) -> tuple[tuple[int, int], tuple[int, ...]]:
    """The grid of programs, and the arguments that follow the tensors."""
    batch, height, width, channels = features.shape
    channels //= stride**2
    pixels, parts = batch * height * width, triton.next_power_of_2(stride**2)
    block = min(_CHANNELS, triton.next_power_of_2(channels))
    rows = max(1, _NUMBERS // (block * parts))
    grid = triton.cdiv(pixels, rows), triton.cdiv(channels, block)
    return grid, (pixels, width, channels, stride, rows, block, parts)


@triton.jit
def _forward(
    features,
    finer,
    pixels,
    width,
    C: tl.constexpr,
    STRIDE: tl.constexpr,
    ROWS: tl.constexpr,
    CHANNELS: tl.constexpr,
    PARTS: tl.constexpr,
):
    """A program per group of pixels and block of channels."""
    coarse, fine, inside = _places(pixels, width, C, STRIDE, ROWS, CHANNELS, PARTS)
    value = tl.load(features + coarse, mask=inside, other=0.0).to(tl.float32)
    tl.store(finer + fine, value * tl.sigmoid(value), mask=inside)


@triton.jit
def _backward(
    features,
    grad,
    to_features,
    pixels,
    width,
    C: tl.constexpr,
    STRIDE: tl.constexpr,
    ROWS: tl.constexpr,
    CHANNELS: tl.constexpr,
    PARTS: tl.constexpr,
):
    """A program per group of pixels and block of channels."""
    coarse, fine, inside = _places(pixels, width, C, STRIDE, ROWS, CHANNELS, PARTS)
    value = tl.load(features + coarse, mask=inside, other=0.0).to(tl.float32)
    rate = tl.load(grad + fine, mask=inside, other=0.0).to(tl.float32)
    gate = tl.sigmoid(value)
    tl.store(to_features + coarse, rate * (gate * (1 + value * (1 - gate))), mask=inside)


@triton.jit
def _places(
    pixels,
    width,
    C: tl.constexpr,
    STRIDE: tl.constexpr,
    ROWS: tl.constexpr,
    CHANNELS: tl.constexpr,
    PARTS: tl.constexpr,
):
    """Where the numbers of a program lie before and after the shuffle, and which of them exist."""
    pixel = tl.program_id(0) * ROWS + tl.arange(0, ROWS)[:, None, None]
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)[None, :, None]
    part = tl.arange(0, PARTS)[None, None, :]
    coarse = (pixel.to(tl.int64) * C + channel) * (STRIDE * STRIDE) + part
    y, x = pixel // width * STRIDE + part // STRIDE, pixel % width * STRIDE + part % STRIDE
    fine = (y.to(tl.int64) * (width * STRIDE) + x) * C + channel
    return coarse, fine, (pixel < pixels) & (channel < C) & (part < STRIDE * STRIDE)
