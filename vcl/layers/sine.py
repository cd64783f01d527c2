"""Linear layers whose activation is a sine."""

import math
from contextlib import nullcontext

import torch
from torch import Tensor, nn


class SineLayer(nn.Module):
    """``sin(omega · (W x + b))`` of ``(..., in_channels)``.

    First weights keep the variance of what goes through layer after layer: those of a first layer lie within
    ±1/in_channels, others within ±√(6/in_channels)/omega. A first layer computes in float32 under autocast too, as
    bfloat16 cannot tell the columns of a frame of 1280 apart.

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
        self.omega, self.first = omega, first
        self.linear = nn.Linear(in_channels, out_channels)
        self.linear.gain = 1 / math.sqrt(6 * in_channels) if first else 1 / omega  # type: ignore[assignment]

    def forward(self, x: Tensor) -> Tensor:
        """Waves, ``(..., out_channels)``."""
        with torch.autocast(x.device.type, enabled=False) if self.first else nullcontext():
            waves: Tensor = self.linear(x)
            return (self.omega * waves).sin()


class BoundedSine(nn.Module):
    """``sin(W x + omega · b)`` of ``(B, N, in_channels)``, no weight of input i beyond ``bound[i]``.

    W is ``bound · tanh(omega · V)`` of shared weights V. So no training and no rounding of V leads beyond it, a weight
    that a mask leaves out is 0, and one that is sealed stays what it is. First W are spread by some 0.3 · ``bound``.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        omega: what V and the biases are multiplied by, which sets how fast they learn.
        bound: ``(in_channels,)``, above 0.

    Source:
        Novello et al., CVPR 2025 (TUNER). Differs: theirs clamps W after each step or learns the bounds, and W is
        multiplied by ``omega``, which its bounds are divided by.
    """

    bound: Tensor

    def __init__(self, in_channels: int, out_channels: int, omega: float, bound: Tensor) -> None:
        super().__init__()
        self.omega = omega
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels))
        self.gain = 0.3 / omega * math.sqrt(in_channels / 2)
        self.register_buffer("bound", bound, persistent=False)

    def bounded(self) -> Tensor:
        """W, ``(out_channels, in_channels)``."""
        return self.bound * (self.omega * self.weight).tanh()

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """Waves, ``(B, N, out_channels)``; ``bias`` is ``(B, out_channels)``."""
        return (x @ self.bounded().mT + self.omega * bias[:, None]).sin()
