"""Maps moved by flows, in operations that do the same work in every step and have deterministic gradients."""

from __future__ import annotations

import torch
from torch import Tensor


def enlarged(x: Tensor, scale: int) -> Tensor:
    """Bilinear up-scaling: ``(B, C, H, W)`` to ``(B, C, scale·H, scale·W)``, as ``F.interpolate`` has it.

    Sums of shifted maps: the gradient of PyTorch's own has no fixed order of summation on a GPU.
    """
    return _enlarged_along(_enlarged_along(x, scale, 2), scale, 3)


def _enlarged_along(x: Tensor, scale: int, dim: int) -> Tensor:
    if scale == 1:
        return x
    last = x.shape[dim] - 1
    before = torch.cat((x.narrow(dim, 0, 1), x.narrow(dim, 0, last)), dim)
    after = torch.cat((x.narrow(dim, 1, last), x.narrow(dim, last, 1)), dim)
    finer = []
    for number in range(scale):
        offset = (number + 0.5) / scale - 0.5  # Of a fine pixel's centre from that of its coarse one.
        beside = after if offset > 0 else before
        finer.append(x * (1 - abs(offset)) + beside * abs(offset))
    return torch.stack(finer, dim + 1).flatten(dim, dim + 1)


def warped(x: Tensor, flow: Tensor) -> Tensor:
    """Look up, bilinearly, each place of a map where its flow points to; beyond an edge, at the edge.

    Args:
        x: ``(B, C, H, W)``.
        flow: ``(B, 2, H, W)``, rows down and columns to the right, in pixels.

    Returns:
        The shape and the type of ``x``.
    """
    height, width = x.shape[2:]
    row = torch.arange(height, device=flow.device)[:, None] + flow[:, 0].float()
    column = torch.arange(width, device=flow.device) + flow[:, 1].float()
    (top, bottom, down), (left, right, across) = _between(row, height), _between(column, width)
    pixels = x.flatten(2)

    def at(rows: Tensor, columns: Tensor) -> Tensor:
        index = (rows * width + columns).flatten(1)[:, None].expand(-1, x.shape[1], -1)
        return pixels.gather(2, index).view(x.shape)

    upper = at(top, left) * (1 - across) + at(top, right) * across
    lower = at(bottom, left) * (1 - across) + at(bottom, right) * across
    return (upper * (1 - down) + lower * down).to(x.dtype)


def _between(place: Tensor, length: int) -> tuple[Tensor, Tensor, Tensor]:
    """Pixels before and after places ``(B, H, W)`` along a side, and how far they lie from the one before."""
    place = place.clamp(0, length - 1)
    before = place.detach().floor()
    index = before.nan_to_num(0).long()  # Of a training that has failed, which the loss tells.
    return index, (index + 1).clamp(max=length - 1), (place - before)[:, None]
