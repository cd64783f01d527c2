"""The light up-sampling block: two convolutions with few channels between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn

from vcl.layers.activation import ACTIVATIONS
from vcl.layers.fourier import FourierOperator
from vcl.layers.upsample import UpsampleBlock, pixel_shuffle


class LightUp(nn.Module):
    """``(B, in_channels, H, W)`` to ``(B, out_channels, stride·H, stride·W)``, without an activation.

    A 3×3 convolution to a quarter of the channels, a pixel shuffle and another 3×3 convolution; where the channels
    become fewer, a 3×3 convolution to ``out_channels`` and another with the shuffle.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        stride: up-scaling of each side.

    Source:
        Li et al., ECCV 2022, arXiv:2207.08132.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.stride, self.early = stride, in_channels <= out_channels
        if self.early:
            between = max(1, in_channels // 4)
            self.first = nn.Conv2d(in_channels, between * stride**2, 3, padding=1)
            self.second = nn.Conv2d(between, out_channels, 3, padding=1)
        else:
            self.first = nn.Conv2d(in_channels, out_channels, 3, padding=1)
            self.second = nn.Conv2d(out_channels, out_channels * stride**2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Shuffle after the first convolution, or after the second."""
        if self.early:
            finer: Tensor = self.second(pixel_shuffle(self.first(x), self.stride))
            return finer
        return pixel_shuffle(self.second(self.first(x)), self.stride)


class LightBlock(nn.Module):
    """``LightUp``, a Fourier operator where there is one, and the activation of their sum.

    Args:
        up: two convolutions.
        operator: to as many channels; None leaves ``up`` alone.
        activation: one of ``ACTIVATIONS``.
    """

    def __init__(self, up: LightUp, operator: FourierOperator | None, activation: str) -> None:
        super().__init__()
        self.up, self.operator, self.activation = up, operator, activation

    def forward(self, x: Tensor) -> Tensor:
        """Once, at the end."""
        finer: Tensor = self.up(x)
        if self.operator is not None:
            finer = finer + self.operator(x, (finer.shape[-2], finer.shape[-1]))
        return ACTIVATIONS[self.activation](finer)


def light_first(blocks: nn.ModuleList, widths: Sequence[int]) -> None:
    """Put a light block in the place of the first block, unless that is an operator alone.

    Args:
        blocks: of a network, ``UpsampleBlock`` all.
        widths: channels of what the first one takes and of what it gives, and of those behind it.
    """
    first = cast("UpsampleBlock", blocks[0])
    if first.conv is not None:
        blocks[0] = LightBlock(LightUp(widths[0], widths[1], first.stride), first.operator, first.activation)
