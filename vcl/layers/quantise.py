"""Weights as integers times a step per row: what a session stores, and training with what will be stored.

A step is a short binary number, (16 + f) · 2^e with f in 0..15, so that an integer of up to 19 bits times its step is
exact in float32: whoever has integer and step has the very number that was trained with, on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

MANTISSA = 16
"""Steps in one octave."""

OWN_BITS = 8
"""Bits of the session tensors and of the numbers of frames, of which there are few."""


def step_at_least(size: Tensor) -> Tensor:
    """The smallest steps that are not below some sizes; where a size is 0 that is 2^-40.

    Args:
        size: float32, any shape, 0 or more and finite.
    """
    fraction, exponent = torch.frexp(size.float().clamp_min(2.0**-40))
    # A fraction is in [1/2, 1). The power of two is made of its bits, as pow() need not be exact.
    octave = ((exponent.to(torch.int32) + (127 - 5)) << 23).view(torch.float32)
    return (fraction * (2 * MANTISSA)).ceil() * octave


def row_steps(value: Tensor, bits: int, dim: int = 0, used: Tensor | None = None) -> Tensor:
    """A step for each row, with which the largest number of the row is the largest integer.

    Args:
        value: any shape.
        bits: of an integer with its sign, 2 or more.
        dim: the dimension of the rows, such as that of the output channels.
        used: boolean, the shape of ``value``; only these numbers count.

    Returns:
        ``(rows,)``, float32.
    """
    size = value.detach().abs()
    if used is not None:
        size = size * used
    return step_at_least(size.movedim(dim, 0).flatten(1).amax(1) / largest_integer(bits))


def largest_integer(bits: int) -> int:
    """The largest integer with so many bits and a sign; the smallest is its negative."""
    return int(2 ** (bits - 1) - 1)


def along(step: Tensor, value_dims: int, dim: int) -> Tensor:
    """Steps ``(rows,)`` in the shape that broadcasts to the numbers whose rows lie along ``dim``."""
    return step.view([-1 if here == dim else 1 for here in range(value_dims)])


def dequantised(value: Tensor, step: Tensor, bits: int) -> Tensor:
    """Numbers as their nearest integers times their steps, ties to even; those beyond the largest become that.

    Args:
        value: float32.
        step: broadcasts to ``value``.
        bits: as in ``row_steps``.
    """
    limit = largest_integer(bits)
    # The sum makes 0 of -0, which is no integer.
    return (value / step).round_().clamp_(-limit, limit).add_(0.0).mul_(step)


def quantised_rows(value: Tensor, step: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Numbers of a session as they are stored, dequantised, and the steps of their rows.

    Args:
        value: any shape; rows lie along the first dimension, and a vector is one row.
        step: ``(rows,)``; by default those of ``row_steps``.
    """
    rows = value.detach() if value.dim() > 1 else value.detach()[None]
    step = row_steps(rows, OWN_BITS) if step is None else step.to(rows.device)
    return dequantised(rows, along(step, rows.dim(), 0), OWN_BITS).view(value.shape), step


@dataclass(frozen=True)
class Quantised:
    """How a weight tensor is trained once its mask and its steps are chosen.

    Args:
        mask: boolean, the shape of the scores: the units in use.
        own: boolean, the shape of the weights: those that the session itself will seal.
        step: ``(rows,)``.
        bits: of an integer.
        dim: the dimension of the rows.
        base: the shape of the weights: what the integers are added to; None for 0.
    """

    mask: Tensor
    own: Tensor
    step: Tensor
    bits: int
    dim: int
    base: Tensor | None = None

    def difference(self, value: Tensor) -> Tensor:
        """What is stored of weights that are added to ``base``."""
        base = 0 if self.base is None else self.base
        return dequantised(value - base, along(self.step, value.dim(), self.dim), self.bits)

    def effective(self, value: Tensor) -> Tensor:
        """The weights that decoding will see, 0 where they are not used; the gradient goes to the session's own."""
        step = along(self.step, value.dim(), self.dim)
        effective: Tensor = _Dequantise.apply(value, self.mask, self.own, step, self.bits, self.base)
        return effective


class _Dequantise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, value: Tensor, mask: Tensor, own: Tensor, step: Tensor, bits: int, base: Tensor | None
    ) -> Tensor:
        ctx.save_for_backward(own)
        stored = dequantised(value, step, bits) if base is None else base + dequantised(value - base, step, bits)
        return torch.where(own, stored, value) * mask

    @staticmethod
    def backward(ctx: FunctionCtx, *grads: Tensor) -> tuple[Tensor, None, None, None, None, None]:
        (own,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return grads[0] * own, None, None, None, None, None


def bits_by_layer(
    damage: Sequence[Sequence[float]], counts: Sequence[int], choices: Sequence[int], mean: float
) -> list[int]:
    """Bits of each layer: the least damage for a mean number of bits a weight.

    Every layer begins with the fewest bits; then the layer gets the next more whose damage falls most for the bits that
    this takes, as long as the mean is not passed.

    Args:
        damage: by layer and choice, what is lost where this layer alone has so many bits.
        counts: weights of each layer.
        choices: numbers of bits, rising.
        mean: bits a weight over all layers, at least the first choice.
    """
    level = [0] * len(counts)
    left = mean * sum(counts) - choices[0] * sum(counts)
    while True:
        offers = []
        for layer, (lost, count) in enumerate(zip(damage, counts, strict=True)):
            for higher in range(level[layer] + 1, len(choices)):
                price = (choices[higher] - choices[level[layer]]) * count
                if 0 < price <= left:
                    offers.append(((lost[level[layer]] - lost[higher]) / price, -price, layer, higher))
        if not offers or max(offers)[0] <= 0:
            return [choices[here] for here in level]
        _, price, layer, level_now = max(offers)
        left, level[layer] = left + price, level_now
