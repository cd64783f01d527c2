"""A head on activated features before their pixel shuffle, in one pass over the features and without a copy of them."""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import FunctionCtx

_NUMBERS, _ROWS, _CHANNELS = 8192, 32, 32
"""What one program has at hand at most: numbers of the features, their rows, and channels side by side."""

_MOST_OUTPUTS = 16
_OPTIONS = {"num_warps": 8, "enable_fp_fusion": True}


def takes(features: Tensor, head: Tensor) -> bool:
    """Whether ``activated_head`` takes them: types as it says, at most 16 outputs, and rows that a program can hold."""
    types = features.dtype in (torch.float32, torch.bfloat16, torch.float16) and head.dtype == torch.float32
    return types and head.shape[1] <= _MOST_OUTPUTS and 4 * features.shape[1] <= _NUMBERS


def activated_head(features: Tensor, head: Tensor, stride: int) -> Tensor:
    """SiLU, pixel shuffle and a 1×1 convolution, in exact float32; the gradients of both arguments are deterministic.

    Args:
        features: ``(B, C * stride ** 2, H, W)``, float32, bfloat16 or float16; channels-last is fast.
        head: ``(B, O, C)``, float32.
        stride: of the pixel shuffle.

    Returns:
        ``(B, O, stride·H, stride·W)``, float32, contiguous.
    """
    height, width = features.shape[-2:]
    frames: Tensor = _ActivatedHead.apply(
        features.permute(0, 2, 3, 1).flatten(1, 2), head.contiguous(), stride, (height, width)
    )
    return frames


class _ActivatedHead(torch.autograd.Function):
    """Of features ``(B, H·W, C * stride ** 2)``: a row per pixel, with ``stride ** 2`` parts of C channels."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, head: Tensor, stride: int, size: tuple[int, int]) -> Tensor:
        ctx.save_for_backward(features, head)
        ctx.stride, ctx.size = stride, size
        batch, outputs, channels = head.shape
        frames = head.new_empty(batch, outputs, stride * size[0], stride * size[1])
        tile = _tile(channels, stride, triton.cdiv(channels, _CHANNELS))
        with torch.cuda.device_of(features):
            _forward[triton.cdiv(features.shape[1], tile[1]), batch](
                *(features, head, frames, *size, *features.stride(), channels, outputs, stride, *tile), **_OPTIONS
            )
        return frames

    @staticmethod
    def backward(ctx: FunctionCtx, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        features, head = ctx.saved_tensors  # type: ignore[attr-defined]
        stride, size = ctx.stride, ctx.size  # type: ignore[attr-defined]
        batch, outputs, channels = head.shape
        tile = _tile(channels, stride, 1)
        groups = triton.cdiv(features.shape[1], tile[1])
        to_features, shares = torch.empty_like(features), head.new_empty(batch, groups, outputs, channels)
        with torch.cuda.device_of(features):
            _backward[groups, triton.cdiv(channels, tile[2]), batch](
                *(features, head, grads[0].contiguous(), to_features, shares),
                *(*size, *features.stride(), *to_features.stride(), channels, outputs, stride, *tile),
                **_OPTIONS,
            )
        return to_features, shares.sum(1), None, None


def _tile(channels: int, stride: int, blocks: int) -> tuple[int, int, int, int]:
    """The shape of what a program has at hand, in powers of 2: blocks of channels, rows, channels of a block, parts."""
    blocks, parts = triton.next_power_of_2(blocks), triton.next_power_of_2(stride**2)
    channels = min(_CHANNELS, triton.next_power_of_2(channels))
    return blocks, max(1, min(_ROWS, _NUMBERS // (blocks * channels * parts))), channels, parts


@triton.jit
def _forward(
    features,
    head,
    frames,
    height,
    width,
    frame_step,
    row_step,
    channel_step,
    C: tl.constexpr,
    O: tl.constexpr,  # noqa: E741
    STRIDE: tl.constexpr,
    BLOCKS: tl.constexpr,
    ROWS: tl.constexpr,
    CHANNELS: tl.constexpr,
    PARTS: tl.constexpr,
):
    """A program per group of rows and frame: all channels at once."""
    frame = tl.program_id(1).to(tl.int64)
    row, channel, part = _numbers(0, BLOCKS, ROWS, CHANNELS, PARTS)
    exists = (row < height * width) & (part < STRIDE * STRIDE)
    place = _place(frame, row, channel, part, frame_step, row_step, channel_step, STRIDE)
    value = tl.load(features + place, mask=exists & (channel < C), other=0.0).to(tl.float32)
    active = value * tl.sigmoid(value)
    pixel = _pixel(row, part, width, STRIDE)
    for output in tl.static_range(O):
        factor = tl.load(head + (frame * O + output) * C + channel, mask=channel < C, other=0.0)
        colour = tl.sum(tl.sum(active * factor, 0, keep_dims=True), 2, keep_dims=True)
        colour_map = (frame * O + output) * height * width * (STRIDE * STRIDE)
        tl.store(frames + colour_map + pixel, colour, mask=exists)


@triton.jit
def _backward(
    features,
    head,
    grad,
    to_features,
    shares,
    height,
    width,
    frame_step,
    row_step,
    channel_step,
    to_frame_step,
    to_row_step,
    to_channel_step,
    C: tl.constexpr,
    O: tl.constexpr,  # noqa: E741
    STRIDE: tl.constexpr,
    BLOCKS: tl.constexpr,
    ROWS: tl.constexpr,
    CHANNELS: tl.constexpr,
    PARTS: tl.constexpr,
):
    """A program per group of rows, block of channels and frame, which writes its share of the gradient of the head."""
    frame = tl.program_id(2).to(tl.int64)
    row, channel, part = _numbers(tl.program_id(1) * CHANNELS, BLOCKS, ROWS, CHANNELS, PARTS)
    exists = (row < height * width) & (part < STRIDE * STRIDE)
    inside = exists & (channel < C)
    place = _place(frame, row, channel, part, frame_step, row_step, channel_step, STRIDE)
    value = tl.load(features + place, mask=inside, other=0.0).to(tl.float32)
    gate = tl.sigmoid(value)
    active = value * gate
    pixel = _pixel(row, part, width, STRIDE)
    group = frame * tl.num_programs(0) + tl.program_id(0)
    to_active = tl.zeros((BLOCKS, ROWS, CHANNELS, PARTS), tl.float32)
    for output in tl.static_range(O):
        factor = tl.load(head + (frame * O + output) * C + channel, mask=channel < C, other=0.0)
        colour_map = (frame * O + output) * height * width * (STRIDE * STRIDE)
        rate = tl.load(grad + colour_map + pixel, mask=exists, other=0.0)
        to_active += rate * factor
        share = tl.sum(tl.sum(active * rate, 3, keep_dims=True), 1, keep_dims=True)
        tl.store(shares + (group * O + output) * C + channel, share, mask=channel < C)
    place = _place(frame, row, channel, part, to_frame_step, to_row_step, to_channel_step, STRIDE)
    tl.store(to_features + place, to_active * (gate * (1 + value * (1 - gate))), mask=inside)


@triton.jit
def _numbers(first, BLOCKS: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr, PARTS: tl.constexpr):
    """Row, channel and part of everything at hand, each along its axes of ``(BLOCKS, ROWS, CHANNELS, PARTS)``."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)[None, :, None, None]
    block = tl.arange(0, BLOCKS)[:, None, None, None]
    channel = first + block * CHANNELS + tl.arange(0, CHANNELS)[None, None, :, None]
    return row, channel, tl.arange(0, PARTS)[None, None, None, :]


@triton.jit
def _place(frame, row, channel, part, frame_step, row_step, channel_step, STRIDE: tl.constexpr):
    """Where a number of the features lies."""
    channel = channel * (STRIDE * STRIDE) + part
    return frame * frame_step + row.to(tl.int64) * row_step + channel.to(tl.int64) * channel_step


@triton.jit
def _pixel(row, part, width, STRIDE: tl.constexpr):
    """Where a part of a row's pixel lies in a frame."""
    y, x = row // width * STRIDE + part // STRIDE, row % width * STRIDE + part % STRIDE
    return y.to(tl.int64) * (width * STRIDE) + x
