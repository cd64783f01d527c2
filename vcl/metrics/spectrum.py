"""Variance of feature maps, and their amplitude by radial frequency.

Source:
    Kang et al., ICLR 2024, arXiv:2306.11305, whose statistics of variance and frequency these are; they go back to
    Park and Kim, ICLR 2022, arXiv:2202.06709, who take the diagonal of the spectrum where we take the mean over all
    directions.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

BINS = 64
"""Radial frequencies above 0 at most; smaller maps have one for each that their shorter side tells apart."""

ROUNDING = 1e-8
"""Amplitudes below this share of the reference are rounding errors of float32, and no waves."""


def map_variance(maps: Tensor) -> Tensor:
    """Variance over the positions of each channel, and the mean of it over the channels.

    Args:
        maps: ``(B, C, H, W)``, real.

    Returns:
        ``(B,)``, float64: mean over channels of mean over positions of (value - channel's mean)².
    """
    return maps.double().var(dim=(2, 3), correction=0).mean(1)


def frequencies(size: tuple[int, int]) -> Tensor:
    """Centres of the radial bins, as shares of the Nyquist frequency: 0, 1/K, ..., 1.

    K is half of the shorter side, rounded down, and at most ``BINS``.

    Args:
        size: height and width of the maps, each 2 or more.
    """
    bins = min(BINS, min(size) // 2)
    return torch.arange(bins + 1, dtype=torch.float64) / bins


def radial_amplitude(maps: Tensor) -> Tensor:
    """Amplitude of the waves of each frequency, whatever their direction.

    The two-dimensional Fourier transform of each channel, divided by H·W and without a window; of its absolute values
    the mean over the channels, and over all waves whose frequency √(fy² + fx²), as a share of Nyquist (half a cycle a
    pixel), is nearest to a bin's centre. The first bin is the mean alone (frequency 0); the corners of the spectrum,
    beyond half a bin above 1, are left out.

    Args:
        maps: ``(B, C, H, W)``, real, H and W 2 or more.

    Returns:
        ``(B, K + 1)``, float64, in the order of ``frequencies``.
    """
    height, width = maps.shape[-2:]
    bins = len(frequencies((height, width)))
    index, count = _bins(height, width)
    index, count = index.to(maps.device), count.to(maps.device)
    amplitudes = []
    for frame in maps:  # One at a time: the spectrum of a batch would take twice its memory.
        amplitude = torch.fft.rfft2(frame.float(), norm="forward").abs().double().mean(0)
        total, waves = (
            torch.bincount(index.flatten(), weights.flatten(), bins) for weights in (amplitude * count, count)
        )
        amplitudes.append(total[:bins] / waves[:bins])
    return torch.stack(amplitudes)


def relative_log_amplitude(amplitude: Tensor, reference: float) -> Tensor:
    """Natural logarithm of amplitudes relative to a reference, log A(f) - log ``reference``.

    Args:
        amplitude: of any shape, as of ``radial_amplitude``.
        reference: the amplitude to compare with, such as A(0).

    Returns:
        Of the same shape; NaN where the amplitude is below ``ROUNDING`` times the reference, or the reference is 0.
    """
    relative = amplitude / reference if reference > 0 else torch.full_like(amplitude, torch.nan)
    return torch.where(relative >= ROUNDING, relative, torch.nan).log()


@lru_cache(maxsize=8)
def _bins(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Of each number of a real map's spectrum, its bin and how many waves it stands for; the corners come last."""
    bins = len(frequencies((height, width))) - 1
    down, across = torch.fft.fftfreq(height).double() * 2, torch.fft.rfftfreq(width).double() * 2
    radius = (down[:, None] ** 2 + across**2).sqrt() * bins
    index = radius.round().long().clamp(max=bins + 1)
    index[(index == 0) & (radius > 0)] = 1
    count = torch.full_like(radius, 2)  # A wave with its negative frequency, which the transform leaves out,
    count[:, 0] = 1  # but for the columns that hold both.
    if width % 2 == 0:
        count[:, -1] = 1
    return index, count
