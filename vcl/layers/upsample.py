"""The up-sampling block: convolution, pixel shuffle, activation, with or without a Fourier operator; and the head."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx
from torch.nn import functional as F

from vcl import kernels
from vcl.layers.activation import ACTIVATIONS
from vcl.layers.fourier import FourierOperator

_ROWS = 8192
"""Pixels whose features a CPU activates at once, few enough to stay in its cache."""


class UpsampleBlock(nn.Module):
    """``(B, in_channels, H, W)`` to ``(B, out_channels, stride·H, stride·W)``.

    Args:
        conv: to ``out_channels * stride ** 2`` channels; None leaves the operator alone.
        operator: to ``out_channels`` channels; None leaves the convolution alone. With both, their sum is activated.
        stride: up-scaling of each side.
        activation: one of ``ACTIVATIONS``.
    """

    def __init__(
        self, conv: nn.Conv2d | None, operator: FourierOperator | None, stride: int, activation: str = "silu"
    ) -> None:
        super().__init__()
        self.activation = activation
        if conv is None and operator is None:
            raise ValueError("a block needs a convolution or an operator")
        self.conv = conv
        self.operator = operator
        self.stride = stride

    @property
    def pending(self) -> int:
        """Up-scaling that ``raw`` leaves undone: all of it without an operator, none with one."""
        return self.stride if self.operator is None else 1

    def raw(self, x: Tensor) -> Tensor:
        """Before activation, ``(B, out_channels * pending ** 2, ...)``, which a head reads without a pixel shuffle."""
        if self.operator is None:
            assert self.conv is not None
            channels: Tensor = self.conv(x)
            return channels
        finer: Tensor = self.operator(x, (x.shape[-2] * self.stride, x.shape[-1] * self.stride))
        if self.conv is not None:
            return pixel_shuffle(self.conv(x), self.stride) + finer
        # A GPU convolves fast in this order alone; a CPU would get other last bits in it.
        return finer if x.device.type == "cpu" else finer.contiguous(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        """``raw``, activated and with what is pending of the up-scaling done."""
        raw = self.raw(x)
        if self.activation == "silu":
            return F.silu(raw) if self.pending == 1 else activated_shuffle(raw, self.pending)
        activated = ACTIVATIONS[self.activation](raw)
        return activated if self.pending == 1 else pixel_shuffle(activated, self.pending)


def channels_last(x: Tensor) -> Tensor:
    """``(B, C, H, W)`` with channels next to each other in memory, which convolutions are fast in."""
    return x.contiguous(memory_format=torch.channels_last)


def activated_shuffle(raw: Tensor, stride: int) -> Tensor:
    """SiLU and ``pixel_shuffle``, on a GPU in one kernel.

    Args:
        raw: ``(B, C * stride ** 2, H, W)`` before activation.
        stride: up-scaling of each side.

    Returns:
        ``(B, C, stride·H, stride·W)``, in the memory format of ``raw``.
    """
    if kernels.runs_on(raw):
        from vcl.kernels import shuffle as kernel

        if kernel.takes(raw):
            return kernel.activated_shuffle(raw, stride)
    return pixel_shuffle(F.silu(raw), stride)


def pixel_shuffle(x: Tensor, stride: int) -> Tensor:
    """``F.pixel_shuffle`` that keeps channels-last order, which PyTorch's own keeps on a CPU alone.

    Args:
        x: ``(B, C * stride ** 2, H, W)``.
        stride: up-scaling of each side.

    Returns:
        ``(B, C, stride·H, stride·W)``, in the memory format of ``x``.
    """
    if x.device.type == "cpu" or not x.is_contiguous(memory_format=torch.channels_last):
        return F.pixel_shuffle(x, stride)
    return _channels_last_shuffle(x, stride)


def _channels_last_shuffle(x: Tensor, stride: int) -> Tensor:
    batch, channels, height, width = x.shape
    parts = x.permute(0, 2, 3, 1).view(batch, height, width, channels // stride**2, stride, stride)
    finer = parts.permute(0, 1, 4, 2, 5, 3).reshape(batch, height * stride, width * stride, channels // stride**2)
    return finer.permute(0, 3, 1, 2)


def activated_head(raw: Tensor, head: Tensor, stride: int) -> Tensor:
    """SiLU, pixel shuffle and a 1×1 convolution, without ever holding the shuffled features.

    The three commute: the head is applied to the channels of each sub-pixel, and what is shuffled are colours. Of the
    largest tensor of a network neither the activation nor a shuffled copy is kept; the backward pass activates again.
    A GPU does all of it in one kernel.

    Args:
        raw: ``(B, C * stride ** 2, H, W)`` before activation, fastest in channels-last order.
        head: ``(B, O, C)``, one per frame.
        stride: of the pixel shuffle.

    Returns:
        ``(B, O, stride·H, stride·W)``, contiguous, in the head's type.
    """
    if kernels.runs_on(raw, head):
        from vcl.kernels import head as kernel

        if kernel.takes(raw, head):
            return kernel.activated_head(raw, head, stride)
    batch, colours, channels = head.shape
    apart = torch.eye(stride**2, dtype=head.dtype, device=head.device)
    with torch.autocast(raw.device.type, enabled=False):
        wide = torch.einsum("boc,st->bcsot", head, apart).reshape(batch, channels * stride**2, colours * stride**2)
        lines: Tensor = _ActivatedProduct.apply(raw.permute(0, 2, 3, 1).flatten(1, 2), wide)
    return F.pixel_shuffle(lines.mT.reshape(batch, -1, *raw.shape[-2:]), stride).contiguous()


class _ActivatedProduct(torch.autograd.Function):
    """``silu(x) @ weight`` for x ``(B, N, C)`` and weight ``(B, C, O)``, in the weight's type and in pieces."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        product = weight.new_empty(*x.shape[:2], weight.shape[2])
        for frame in range(len(x)):
            for here in _pieces(x):
                torch.mm(F.silu(x[frame, here].to(weight.dtype)), weight[frame], out=product[frame, here])
        return product

    @staticmethod
    def backward(ctx: FunctionCtx, *grads: Tensor) -> tuple[Tensor, Tensor]:
        x, weight = ctx.saved_tensors  # type: ignore[attr-defined]
        to_x, to_weight = torch.empty_like(x), torch.zeros_like(weight)
        for frame in range(len(x)):
            for here in _pieces(x):
                rows, grad = x[frame, here].to(weight.dtype), grads[0][frame, here]
                to_weight[frame] += F.silu(rows).T @ grad
                to_x[frame, here] = torch.ops.aten.silu_backward(grad @ weight[frame].T, rows)
        return to_x, to_weight


def _pieces(x: Tensor) -> list[slice]:
    rows = _ROWS if x.device.type == "cpu" else x.shape[1]
    return [slice(first, first + rows) for first in range(0, x.shape[1], rows)]
