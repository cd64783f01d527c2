"""The Fourier operator in whole numbers: its transforms as products with matrices of rounded sines and cosines."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vcl.codec.exact import FRACTION_BITS, STEPS, circle
from vcl.codec.fixed import WEIGHT_STEPS, Scale, Sums, check_exact, fixed_point, step
from vcl.errors import ConfigError
from vcl.layers.fourier import FourierOperator

SPECTRAL_STEPS = 2**26
"""What the weights make of the spectrum lies in ``[-SPECTRAL_STEPS, SPECTRAL_STEPS)``: much finer than activations."""

_GUARD_BITS = 8
"""How many more binary places the spectrum of the input has than the input."""

_SPECTRUM_STEPS = 2 * STEPS << _GUARD_BITS
"""It never saturates: it holds means, which are at most as large as the input but for rounding."""

_LONGEST_SIDE = 2**12
"""Pixels: a transform is a matrix with the square of a side."""

_WAVE = 2**FRACTION_BITS
"""The largest number in a wave that is not divided; one that is divided holds less than twice that."""


class FixedOperator:
    """``FourierOperator`` on whole numbers, for one size of input and output.

    Args:
        operator: for its modes and spectrum; its numbers are not read.
        weights: its four tensors by name, float32.
        name: of the operator, for errors.
        size: height and width of the input.
        stride: up-scaling of each side.
        scale: of the mixed frequencies, with ``SPECTRAL_STEPS``.
        device: where products are computed.

    Raises:
        BitstreamError: a weight is not finite.
        ConfigError: so large an input or output, or so many channels, that a sum might not be exact.
    """

    def __init__(
        self,
        operator: FourierOperator,
        weights: Mapping[str, Tensor],
        name: str,
        size: tuple[int, int],
        stride: int,
        scale: Scale,
        device: torch.device,
    ) -> None:
        (rows, columns), (height, width) = operator.modes, size
        if stride * max(size) > _LONGEST_SIDE:
            rule = f"the strict profile covers operators of at most {_LONGEST_SIDE} pixels a side"
            raise ConfigError(f"{rule}, got {stride * max(size)} in {name}")
        _check_sums(operator.modes, size, weights["positive_real"].shape[2], name)
        self.finer, self.scale = (height * stride, width * stride), scale
        # The means over a row and a column of pixels: waves divided by their number, at about FRACTION_BITS bits each.
        self._width_bits, self._height_bits = (FRACTION_BITS + (side - 1).bit_length() for side in (width, height))
        end = self.finer[0] if operator.spectrum == "centred" else height
        positive, negative = np.arange(rows), np.arange(-rows, 0)
        matrices = (
            _analysis_columns(width, columns, self._width_bits),
            _analysis_rows(height, np.concatenate((positive, negative)), self._height_bits),
            _synthesis_rows(self.finer[0], np.concatenate((positive, end + negative))),
            _synthesis_columns(self.finer[1], columns),
        )
        self._across, self._down, self._up, self._out = (
            torch.from_numpy(matrix.astype(np.float64)).to(device) for matrix in matrices
        )
        self._real, self._imag, self._unit = _mixing(weights, name, device)

    def __call__(self, x: Tensor, exponent: int) -> Sums:
        """Mix and up-sample.

        Args:
            x: ``(B, in_channels, H, W)`` whole numbers in float64, multiples of ``2 ** -exponent``.
            exponent: their scale's.

        Returns:
            ``(B, out_channels, stride·H, stride·W)``.
        """
        spectrum = self._spectrum(x, exponent)
        mixed = self._mixed(spectrum, exponent + _GUARD_BITS)
        batch, outputs, _, _, columns = mixed.shape
        sums = Sums(self._up @ mixed.reshape(batch, outputs, -1, columns), self._unit_of_waves())
        lines = self.scale.round(sums)
        parts = lines.view(batch, outputs, 2, self.finer[0], columns).transpose(2, 3)
        return Sums(parts.reshape(batch, outputs, self.finer[0], -1) @ self._out, self._unit_of_waves())

    def _unit_of_waves(self) -> Tensor:
        return step(self.scale.exponent + FRACTION_BITS)

    def _spectrum(self, x: Tensor, exponent: int) -> Tensor:
        """Real and imaginary parts of the low frequencies, ``(B, C, 2, modes, columns)``."""
        batch, channels, height, _ = x.shape
        finer = Scale(exponent + _GUARD_BITS, _SPECTRUM_STEPS)
        lines = finer.round(Sums(x @ self._across, step(exponent + self._width_bits)))
        parts = lines.view(batch, channels, height, 2, -1).transpose(2, 3).reshape(batch, channels, 2 * height, -1)
        unit = step(exponent + _GUARD_BITS + self._height_bits)
        return finer.round(Sums(self._down @ parts, unit)).view(batch, channels, 2, -1, parts.shape[-1])

    def _mixed(self, spectrum: Tensor, exponent: int) -> Tensor:
        """Complex products of the channels at each frequency, ``(B, out_channels, 2, modes, columns)``."""
        parts = spectrum.permute(3, 4, 2, 0, 1)
        batch = len(spectrum)
        lines = []
        for mode, real, imag, unit in zip(parts, self._real, self._imag, self._unit, strict=True):
            both = mode.flatten(1, 2)
            by_real, by_imag = both @ real.double(), both @ imag.double()
            rotated = torch.cat((-by_imag[:, batch:], by_imag[:, :batch]), dim=1)
            products = Sums(by_real + rotated, unit * step(exponent))
            lines.append(self.scale.round(products).view(len(mode), 2, batch, -1))
        return torch.stack(lines).permute(3, 4, 2, 0, 1)


def _check_sums(modes: tuple[int, int], size: tuple[int, int], inputs: int, name: str) -> None:
    """Refuse an operator one of whose five products might not be exact."""
    (rows, columns), (height, width) = modes, size
    check_exact(f"the width of {name}", width, 2 * _WAVE, STEPS)
    check_exact(f"the height of {name}", 2 * height, 2 * _WAVE, _SPECTRUM_STEPS)
    check_exact(f"the channels of {name}", 2 * inputs, WEIGHT_STEPS, _SPECTRUM_STEPS)
    check_exact(f"the rows of {name}", 4 * rows, _WAVE, SPECTRAL_STEPS)
    check_exact(f"the columns of {name}", 2 * columns, 2 * _WAVE, SPECTRAL_STEPS)


def _mixing(weights: Mapping[str, Tensor], name: str, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Real and imaginary parts ``(modes, columns, in, out)`` int16, and units ``(modes, columns, 1, out)``."""
    fixed = []
    for sign in ("positive", "negative"):
        parts = (weights[f"{sign}_{part}"].numpy() for part in ("real", "imag"))
        fixed += [fixed_point(np.stack(of_mode), (0, 2), name) for of_mode in zip(*parts, strict=True)]
    steps = torch.from_numpy(np.stack([steps for steps, _ in fixed], axis=1)).to(device)
    units = torch.from_numpy(np.stack([unit[0] for _, unit in fixed])).to(device)
    return steps[0], steps[1], units


def _analysis_columns(width: int, columns: int, bits: int) -> NDArray[np.int64]:
    """Real rows of pixels to complex frequencies, ``(width, 2 * columns)``: a mean of products with waves."""
    cos, sin = circle(width, bits, width)
    turn = np.outer(np.arange(width), np.arange(columns)) % width
    return np.hstack((cos[turn], -sin[turn]))


def _analysis_rows(height: int, frequencies: NDArray[np.int64], bits: int) -> NDArray[np.int64]:
    """Complex columns to complex frequencies, ``(2 * modes, 2 * height)``: a mean of products with waves."""
    cos, sin = circle(height, bits, height)
    turn = np.outer(frequencies, np.arange(height)) % height
    return np.block([[cos[turn], sin[turn]], [-sin[turn], cos[turn]]])


def _synthesis_rows(height: int, frequencies: NDArray[np.int64]) -> NDArray[np.int64]:
    """Complex frequencies to complex columns, ``(2 * height, 2 * modes)``."""
    cos, sin = circle(height)
    turn = np.outer(np.arange(height), frequencies) % height
    return np.block([[cos[turn], -sin[turn]], [sin[turn], cos[turn]]])


def _synthesis_columns(width: int, columns: int) -> NDArray[np.int64]:
    """Complex frequencies to real rows of pixels, ``(2 * columns, width)``; each but the mean stands for its twin."""
    cos, sin = circle(width)
    turn = np.outer(np.arange(columns), np.arange(width)) % width
    twins = np.where(np.arange(columns) == 0, 1, 2)[:, None]
    return np.vstack((twins * cos[turn], -twins * sin[turn]))
