"""Grids of latent vectors, read at places between them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Around(NamedTuple):
    """The four latent vectors around each of N places, those of a place one after the other.

    Args:
        cell: ``(B, 4 · N)``, where they are in a grid, line by line.
        way: ``(B, 4 · N, 2)``, rows and columns of the grid from each of them to the place.
        weight: ``(B, 4 · N)``, 1 in sum for each place: the area between the place and the vector across.
    """

    cell: Tensor
    way: Tensor
    weight: Tensor


def around(places: Tensor, grid: tuple[int, int]) -> Around:
    """The latent vectors around places; beyond the outer ones those at the edge stand in.

    Args:
        places: ``(B, N, 2)``, row and column in [-1, 1]; vectors lie in the middle of their cells.
        grid: height and width of the grid.

    Source:
        Chen et al., CVPR 2021, arXiv:2012.09161 (LIIF).
    """
    sides = torch.tensor(grid, dtype=places.dtype, device=places.device)
    corners = torch.cartesian_prod(*[torch.arange(2, device=places.device)] * 2)
    position = ((places + 1) / 2 * sides - 0.5)[:, :, None]
    corner = position.floor() + corners
    weight = (1 - (position - corner).abs()).prod(-1)
    cell = corner.clamp(min=torch.zeros_like(sides), max=sides - 1)
    line_by_line = (cell[..., 0] * grid[1] + cell[..., 1]).long()
    return Around(line_by_line.flatten(1), (position - cell).flatten(1, 2), weight.flatten(1))


def read(grid: Tensor, cell: Tensor) -> Tensor:
    """Vectors ``(B, N, C)`` of a grid ``(B, C, h, w)`` at cells ``(B, N)``."""
    rows = torch.arange(len(grid), device=grid.device)[:, None]
    return grid.flatten(2).mT[rows, cell]
