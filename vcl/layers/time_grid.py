"""Maps that a network has learned for moments of a video."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class TimeGrid(nn.Module):
    """``length`` maps, evenly spread over a video, and linear interpolation between them.

    As a weight, its channels are output channels and its moments are input channels.

    Args:
        length: number of maps, 2 or more; the first lies at position 0 and the last at 1.
        channels: of a map.
        size: height and width of a map.
    """

    # First numbers are within ±1, and with scaled ones two of them make a number of the map.
    fans = (1, 2)
    channel_dims = (1, 0)

    def __init__(self, length: int, channels: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.length = length
        self.weight = nn.Parameter(torch.empty(length, channels, *size))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all maps anew, from PyTorch's generator."""
        nn.init.uniform_(self.weight, -1, 1)

    def forward(self, position: Tensor) -> Tensor:
        """Maps ``(*, channels, height, width)`` of positions ``(*)`` in [0, 1], float64."""
        place = position * (self.length - 1)
        before = place.long().clamp(0, self.length - 2)
        fraction = (place - before).float()[..., None, None, None]
        # By index, so that what a frame gets is the same in every batch.
        maps = self.weight
        return maps[before] * (1 - fraction) + maps[before + 1] * fraction


class TimeGrids(nn.Module):
    """Grids of several lengths, each with its share of the channels: the short ones hold what changes slowly.

    Args:
        lengths: of the grids.
        channels: of all of them, at least one for each; the first have one more where they do not share evenly.
        size: height and width of a map.

    Source:
        Lee, Rho, Ko and Park, ACM MM 2023, arXiv:2212.12294.
    """

    def __init__(self, lengths: Sequence[int], channels: int, size: tuple[int, int]) -> None:
        super().__init__()
        share, more = divmod(channels, len(lengths))
        self.grids = nn.ModuleList(
            TimeGrid(length, share + (number < more), size) for number, length in enumerate(lengths)
        )

    def forward(self, position: Tensor) -> Tensor:
        """Maps ``(*, channels, height, width)`` of positions ``(*)`` in [0, 1], float64."""
        return torch.cat([grid(position) for grid in self.grids], dim=-3)
