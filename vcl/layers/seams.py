"""Frames of patches: put together, and blurred where they meet."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def assembled(patches: Sequence[Tensor], columns: int) -> Tensor:
    """Frames ``(B, C, H, W)`` of patches ``(B, C, h, w)``, line by line from the top left.

    Args:
        patches: of all frames, one place after the other.
        columns: patches from left to right.
    """
    lines = (torch.cat(list(patches[first : first + columns]), dim=3) for first in range(0, len(patches), columns))
    return torch.cat(list(lines), dim=2)


def blurred_seams(frames: Tensor, patch: tuple[int, int], width: float) -> Tensor:
    """Frames whose seams are blurred, and all pixels within twice the width of one; the others stay.

    Args:
        frames: ``(B, C, H, W)``.
        patch: height and width of a patch, pixels.
        width: standard deviation of the Gaussian, pixels; it is cut at twice that.

    Returns:
        The shape of ``frames``.
    """
    reach = math.ceil(2 * width)
    offsets = torch.arange(-reach, reach + 1, device=frames.device)
    kernel = (-0.5 * (offsets / width) ** 2).exp()
    kernel = kernel / kernel.sum()
    pixels = F.pad(frames.float().flatten(0, 1)[:, None], (reach,) * 4, mode="replicate")
    with torch.autocast(frames.device.type, enabled=False):
        blurred = F.conv2d(F.conv2d(pixels, kernel.view(1, 1, -1, 1)), kernel.view(1, 1, 1, -1)).view_as(frames)
    near_rows, near_columns = (
        _near(side, step, reach).to(frames.device) for side, step in zip(frames.shape[-2:], patch, strict=True)
    )
    return torch.where(near_rows[:, None] | near_columns, blurred.to(frames.dtype), frames)


def _near(side: int, step: int, reach: int) -> Tensor:
    """Which pixels of a side lie within ``reach`` of a seam: of those beside it the distance is 1."""
    place = torch.arange(side)
    near = torch.zeros(side, dtype=torch.bool)
    for seam in range(step, side, step):
        near |= (place >= seam - reach) & (place < seam + reach)
    return near
