"""Coordinates as sines and cosines of octaves."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class OctaveEncoding(nn.Module):
    """Each coordinate as sines and cosines: ``(..., D)`` to ``(..., 2 · D · octaves)``.

    Octave k has the angle ``coordinate · π · 2^k``. All sines come first, the octaves of a coordinate side by side;
    then the cosines.

    Args:
        octaves: number of frequencies.

    Source:
        Mildenhall et al., ECCV 2020, arXiv:2003.08934.
    """

    frequency: Tensor

    def __init__(self, octaves: int) -> None:
        super().__init__()
        frequency = torch.tensor([math.pi * 2.0**octave for octave in range(octaves)])
        self.register_buffer("frequency", frequency, persistent=False)

    def forward(self, coordinates: Tensor) -> Tensor:
        """Sines and cosines, in the type of the coordinates."""
        angles = (coordinates[..., None] * self.frequency).flatten(-2)
        return torch.cat((angles.sin(), angles.cos()), dim=-1)
