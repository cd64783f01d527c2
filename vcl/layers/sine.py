"""Linear layers whose activation is a sine."""

import math

from torch import Tensor, nn


class SineLayer(nn.Module):
    """``sin(omega · (W x + b))`` of ``(..., in_channels)``.

    First weights keep the variance of what goes through layer after layer: those of a first layer lie within
    ±1/in_channels, others within ±√(6/in_channels)/omega.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        omega: frequency that the weights are multiples of.
        first: whether the input are coordinates.

    Source:
        Sitzmann et al., NeurIPS 2020, arXiv:2006.09661.
    """

    def __init__(self, in_channels: int, out_channels: int, omega: float, first: bool = False) -> None:
        super().__init__()
        self.omega = omega
        self.linear = nn.Linear(in_channels, out_channels)
        self.linear.gain = 1 / math.sqrt(6 * in_channels) if first else 1 / omega  # type: ignore[assignment]

    def forward(self, x: Tensor) -> Tensor:
        """Waves, ``(..., out_channels)``."""
        waves: Tensor = self.linear(x)
        return (self.omega * waves).sin()
