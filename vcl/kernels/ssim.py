"""Mean SSIM and its gradient in a few kernels, each of which blurs along one axis.

SSIM at a position is a function of four local means: of both frames, of the sum of their squares, and of their product.
The forward pass blurs these along the rows, then down the columns, and there leaves the slopes of SSIM along the three
means that the decoded frame moves. The backward pass spreads the slopes over all pixels that a window covers, down the
columns and then along the rows. Pixels count from mid-grey: variances are differences of moments, and the smaller these
are, the fewer digits the difference loses.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import FunctionCtx

_REACH = 10
"""Pixels that a window covers beside the first."""

_SIDE = 32
"""Of the square of positions that one program computes."""

_OPTIONS = {"num_warps": 8, "enable_fp_fusion": True}

_C1, _C2, _GREY = tl.constexpr(0.01**2), tl.constexpr(0.03**2), tl.constexpr(0.5)


def takes(decoded: Tensor, truth: Tensor) -> bool:
    """Whether ``mean_ssim`` is for these frames: they are as it says, and the truth needs no gradient."""
    plain = all(frames.dtype == torch.float32 and frames.is_contiguous() for frames in (decoded, truth))
    large = decoded.shape == truth.shape and decoded.ndim == 4 and min(decoded.shape[-2:]) > _REACH
    return plain and large and not truth.requires_grad


def mean_ssim(decoded: Tensor, truth: Tensor) -> Tensor:
    """Mean SSIM of frames, differentiable by the decoded ones, with the same bits every time.

    Args:
        decoded: ``(B, C, H, W)`` in [0, 1], float32, contiguous, each side 11 pixels or more.
        truth: of the same shape.

    Returns:
        One number, at most 1.
    """
    mean: Tensor = _MeanSsim.apply(decoded, truth)
    return mean


class _MeanSsim(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, decoded: Tensor, truth: Tensor) -> Tensor:
        height, width = decoded.shape[-2:]
        planes, rows, columns = decoded[..., 0, 0].numel(), height - _REACH, width - _REACH
        window, means = decoded.new_empty(16), decoded.new_empty(4, planes, height, columns)
        grid = _grid(planes, rows, columns)
        sums = decoded.new_empty(grid)
        slopes = decoded.new_empty(3 if ctx.needs_input_grad[0] else 0, planes, rows, columns)
        with torch.cuda.device_of(decoded):
            _draw_window[1,](window, **_OPTIONS)
            _blur_rows[_grid(planes, height, columns)](decoded, truth, window, means, height, width, _SIDE, **_OPTIONS)
            _compare[grid](means, window, sums, slopes, rows, columns, len(slopes) > 0, _SIDE, **_OPTIONS)
        ctx.save_for_backward(decoded, truth, window, slopes)
        return sums.sum() / (planes * rows * columns)

    @staticmethod
    def backward(ctx: FunctionCtx, *grads: Tensor) -> tuple[Tensor, None]:
        decoded, truth, window, slopes = ctx.saved_tensors  # type: ignore[attr-defined]
        height, width = decoded.shape[-2:]
        _, planes, rows, columns = slopes.shape
        tall = slopes.new_empty(3, planes, height, columns)
        to_decoded, share = torch.empty_like(decoded), 1 / (planes * rows * columns)
        with torch.cuda.device_of(decoded):
            _spread_down[_grid(planes, height, columns)](slopes, window, tall, rows, columns, _SIDE, **_OPTIONS)
            _spread_along_rows[_grid(planes, height, width)](
                decoded, truth, tall, window, grads[0], to_decoded, share, height, columns, _SIDE, **_OPTIONS
            )
        return to_decoded, None


def _grid(planes: int, rows: int, columns: int) -> tuple[int, int, int]:
    return triton.cdiv(columns, _SIDE), triton.cdiv(rows, _SIDE), planes


@triton.jit
def _draw_window(window):
    """A Gaussian of 11 taps and width 1.5, then zeros."""
    tap = tl.arange(0, 16)
    weight = tl.where(tap < 11, tl.exp(-(tap - 5) * (tap - 5) / 4.5), 0.0)
    tl.store(window + tap, weight / tl.sum(weight))


@triton.jit
def _blur_rows(decoded, truth, window, means, height, width, SIDE: tl.constexpr):
    """From ``(planes, height, width)`` to four means ``(planes, height, width - 10)``."""
    plane, row, column = _position(SIDE)
    columns = width - 10
    inside = (row < height) & (column < columns)
    place = (plane * height + row) * width + column
    mean_x = tl.zeros((SIDE, SIDE), tl.float32)
    mean_y, power, product = mean_x, mean_x, mean_x
    for tap in tl.static_range(11):
        weight = tl.load(window + tap)
        x = tl.load(decoded + place + tap, mask=inside, other=0.0) - _GREY
        y = tl.load(truth + place + tap, mask=inside, other=0.0) - _GREY
        mean_x += weight * x
        mean_y += weight * y
        power += weight * (x * x + y * y)
        product += weight * (x * y)
    place = (plane * height + row) * columns + column
    size = _planes() * height * columns
    tl.store(means + place, mean_x, mask=inside)
    tl.store(means + size + place, mean_y, mask=inside)
    tl.store(means + 2 * size + place, power, mask=inside)
    tl.store(means + 3 * size + place, product, mask=inside)


@triton.jit
def _compare(means, window, sums, slopes, rows, columns, SLOPES: tl.constexpr, SIDE: tl.constexpr):
    """From ``(planes, rows + 10, columns)`` to three slopes ``(planes, rows, columns)``, and sums of SSIM."""
    plane, row, column = _position(SIDE)
    height = rows + 10
    inside = (row < rows) & (column < columns)
    place = (plane * height + row) * columns + column
    size = _planes() * height * columns
    mean_x = _blur(means, window, place, columns, 0, 11, inside)
    mean_y = _blur(means + size, window, place, columns, 0, 11, inside)
    power = _blur(means + 2 * size, window, place, columns, 0, 11, inside)
    product = _blur(means + 3 * size, window, place, columns, 0, 11, inside)
    structure = 2 * (product - mean_x * mean_y) + _C2
    contrast = power - mean_x * mean_x - mean_y * mean_y + _C2
    bright_x, bright_y = mean_x + _GREY, mean_y + _GREY
    luminance = 2 * bright_x * bright_y + _C1
    brightness = bright_x * bright_x + bright_y * bright_y + _C1
    share = 1 / (brightness * contrast)
    similarity = luminance * structure * share
    square = (plane * tl.num_programs(1) + tl.program_id(1)) * tl.num_programs(0) + tl.program_id(0)
    tl.store(sums + square, tl.sum(tl.where(inside, similarity, 0.0)))
    if SLOPES:
        place = (plane * rows + row) * columns + column
        size = _planes() * rows * columns
        by_mean = 2 * (bright_y * structure - mean_y * luminance) * share
        by_mean += 2 * similarity * (mean_x / contrast - bright_x / brightness)
        tl.store(slopes + place, by_mean, mask=inside)
        tl.store(slopes + size + place, -similarity / contrast, mask=inside)
        tl.store(slopes + 2 * size + place, 2 * luminance * share, mask=inside)


@triton.jit
def _spread_down(slopes, window, tall, rows, columns, SIDE: tl.constexpr):
    """From three maps ``(planes, rows, columns)`` to as many ``(planes, rows + 10, columns)``."""
    plane, row, column = _position(SIDE)
    height = rows + 10
    inside = (row < height) & (column < columns)
    first = row - 10
    for number in tl.static_range(3):
        place = ((number * _planes() + plane) * rows + first) * columns + column
        spread = _blur(slopes, window, place, columns, first, rows, inside)
        place = ((number * _planes() + plane) * height + row) * columns + column
        tl.store(tall + place, spread, mask=inside)


@triton.jit
def _spread_along_rows(decoded, truth, tall, window, grad, to_decoded, share, height, columns, SIDE: tl.constexpr):
    """From three maps ``(planes, height, columns)`` to the gradient of the decoded frames, 10 pixels wider."""
    plane, row, column = _position(SIDE)
    width = columns + 10
    inside = (row < height) & (column < width)
    first = column - 10
    place = (plane * height + row) * columns + first
    size = _planes() * height * columns
    by_mean = _blur(tall, window, place, 1, first, columns, inside)
    by_power = _blur(tall + size, window, place, 1, first, columns, inside)
    by_product = _blur(tall + 2 * size, window, place, 1, first, columns, inside)
    place = (plane * height + row) * width + column
    x = tl.load(decoded + place, mask=inside, other=0.0) - _GREY
    y = tl.load(truth + place, mask=inside, other=0.0) - _GREY
    slope = by_mean + 2 * x * by_power + y * by_product
    tl.store(to_decoded + place, tl.load(grad) * share * slope, mask=inside)


@triton.jit
def _blur(maps, window, place, step, first, length, inside):
    """The weighted sum of 11 numbers from ``place`` on, which are number ``first`` and following of ``length`` ones."""
    total = tl.zeros(inside.shape, tl.float32)
    for tap in tl.static_range(11):
        exists = inside & (first + tap >= 0) & (first + tap < length)
        total += tl.load(window + tap) * tl.load(maps + place + tap * step, mask=exists, other=0.0)
    return total


@triton.jit
def _position(SIDE: tl.constexpr):
    """Plane, rows and columns of the square that a program computes."""
    place = tl.arange(0, SIDE)
    row, column = tl.program_id(1) * SIDE + place[:, None], tl.program_id(0) * SIDE + place[None, :]
    return tl.program_id(2).to(tl.int64), row, column


@triton.jit
def _planes():
    return tl.num_programs(2).to(tl.int64)
