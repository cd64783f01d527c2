"""Features that are scaled and shifted by what a frame says."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def modulated(x: Tensor, scale_and_shift: Tensor, around: float = 0) -> Tensor:
    """Normalise each channel over its map, then scale and shift it.

    Args:
        x: ``(B, C, H, W)``, maps of two pixels or more.
        scale_and_shift: ``(B, 2·C)``, all scales and then all shifts.
        around: what scales are added to.

    Returns:
        The shape of ``x``.

    Source:
        Huang and Belongie, ICCV 2017, arXiv:1703.06868.
    """
    scale, shift = scale_and_shift[..., None, None].chunk(2, dim=1)
    return (around + scale) * F.instance_norm(x) + shift
