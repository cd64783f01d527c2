"""The Haar wavelet of images: one level, to a half-size image and what it leaves out, and back."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def haar(x: Tensor) -> tuple[Tensor, Tensor]:
    """Orthonormal analysis of 2×2 squares of pixels: it keeps the sum of squares.

    Args:
        x: ``(..., H, W)``, both sides even.

    Returns:
        ``(..., H/2, W/2)``, half the sum of each square, in [0, 2] of an image in [0, 1]; and
        ``(..., 3, H/2, W/2)``, half the differences within each square: left minus right, top minus bottom, and
        between its diagonals, in [-1, 1].

    Source:
        Haar, Mathematische Annalen 1910.
    """
    upper, lower = x[..., ::2, :], x[..., 1::2, :]
    a, b, c, d = upper[..., ::2], upper[..., 1::2], lower[..., ::2], lower[..., 1::2]
    details = ((a - b) + (c - d), (a + b) - (c + d), (a - b) - (c - d))
    return ((a + b) + (c + d)) / 2, torch.stack(details, dim=-3) / 2


def inverse_haar(low: Tensor, details: Tensor) -> Tensor:
    """What ``haar`` was given: it is its own inverse.

    Args:
        low: ``(..., H, W)``.
        details: ``(..., 3, H, W)``.

    Returns:
        ``(..., 2·H, 2·W)``, contiguous.
    """
    across, down, diagonal = details.unbind(-3)
    pixels = (
        (low + across) + (down + diagonal),
        (low - across) + (down - diagonal),
        (low + across) - (down + diagonal),
        (low - across) - (down - diagonal),
    )
    return F.pixel_shuffle(torch.stack(pixels, dim=-3) / 2, 2).squeeze(-3).contiguous()
