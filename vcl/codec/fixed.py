"""Whole numbers in float64 tensors: products of matrices that come out the same in any order of summation.

A sum of whole numbers is exact in float64 as long as it and all partial sums stay below 2⁵³, whatever adds them in
whatever order; multiplying by a power of two is exact as well. So ordinary products of matrices do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vcl.codec.exact import STEPS
from vcl.errors import BitstreamError, ConfigError

WEIGHT_STEPS = 2**15
"""A weight's whole number lies in ``[-WEIGHT_STEPS, WEIGHT_STEPS)``."""

_EXACT = 2**53


@dataclass(frozen=True)
class Sums:
    """Results of a product before they are rounded.

    Args:
        steps: whole numbers in float64, any shape.
        unit: what one step is worth, a power of two; broadcasts to ``steps``.
    """

    steps: Tensor
    unit: Tensor


class Scale:
    """How activations at one place of a network are rounded: to multiples of ``2 ** -exponent``.

    Args:
        exponent: 0 or more.
        steps: what does not lie in ``[-steps, steps)`` saturates.
    """

    def __init__(self, exponent: int, steps: int = STEPS) -> None:
        self.exponent = exponent
        self.steps = steps

    def round(self, *parts: Sums) -> Tensor:
        """``⌊steps · unit · 2 ** exponent + 1/2⌋``, added up over the parts and then saturated; float64."""
        total, *others = (self._round_part(part) for part in parts)
        for other in others:
            total += other
        return total.clamp_(-self.steps, self.steps - 1)

    def _round_part(self, part: Sums) -> Tensor:
        return (part.steps * (part.unit / step(self.exponent))).add_(0.5).floor_()


class MeasuredScale(Scale):
    """A scale that grows as coarse as the largest activation needs, with an eighth of the range to spare."""

    def round(self, *parts: Sums) -> Tensor:
        """As ``Scale``, with the exponent that fits these parts and all before."""
        largest = float(torch.stack([part.steps * part.unit for part in parts]).sum(dim=0).abs().max())
        while self.exponent > 0 and math.ldexp(largest, self.exponent) > self.steps * 7 / 8:
            self.exponent -= 1
        return super().round(*parts)


class FixedMatrix:
    """Weights as whole numbers, the largest of each row nearly ``WEIGHT_STEPS``.

    Args:
        weight: ``(outputs, ...)`` float32; all but the first dimension count as one.
        name: of the weight, for errors.
        device: where products are computed.

    Raises:
        BitstreamError: a weight is not finite.
        ConfigError: so many inputs that a sum might not be exact.
    """

    def __init__(self, weight: Tensor, name: str, device: torch.device) -> None:
        rows = weight.reshape(len(weight), -1).numpy()
        check_exact(name, rows.shape[1], WEIGHT_STEPS, STEPS)
        steps, unit = fixed_point(rows, 1, name)
        self.steps = torch.from_numpy(steps).to(device)
        self.unit = torch.from_numpy(unit).to(device)

    def __call__(self, columns: Tensor, exponent: int) -> Sums:
        """Multiply.

        Args:
            columns: ``(..., inputs, N)`` whole numbers in float64, multiples of ``2 ** -exponent``.
            exponent: their scale's.

        Returns:
            ``(..., outputs, N)``.
        """
        return Sums(self.steps.double() @ columns, self.unit * step(exponent))


def step(exponent: int) -> Tensor:
    """``2 ** -exponent`` in float64, of no dimension, so that it multiplies tensors on any device."""
    return torch.tensor(math.ldexp(1.0, -exponent), dtype=torch.float64, device="cpu")


def fixed_point(
    weight: NDArray[np.float32], axis: int | tuple[int, ...], name: str
) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """Whole numbers and, for those along an axis, the power of two that one is worth.

    Args:
        weight: any shape.
        axis: or axes: numbers along them share a unit, the smallest that lets them fit.
        name: of the weight, for errors.

    Returns:
        The shape of the weight; and the same with 1 along these axes.

    Raises:
        BitstreamError: a weight is not finite.
    """
    largest = np.abs(weight).max(axis=axis, keepdims=True)
    if not np.isfinite(largest).all():
        raise BitstreamError(f"the weights of {name} must be finite, got {float(largest.max())}")
    exponent = WEIGHT_STEPS.bit_length() - 1 - np.frexp(largest)[1]
    steps = np.floor(np.ldexp(weight.astype(np.float64), exponent) + 0.5)
    return np.minimum(steps, WEIGHT_STEPS - 1).astype(np.int16), np.ldexp(1.0, -exponent)


def check_exact(name: str, terms: int, factor: int, other: int) -> None:
    """Refuse a sum of products that might reach 2⁵³.

    Args:
        name: of what is computed, for errors.
        terms: products in a sum.
        factor: the largest magnitude of one factor.
        other: and of the other.

    Raises:
        ConfigError: it might.
    """
    if terms * factor * other >= _EXACT:
        most = (_EXACT - 1) // (factor * other)
        raise ConfigError(f"the strict profile must add at most {most} products in {name}, got {terms}")
