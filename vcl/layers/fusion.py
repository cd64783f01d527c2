"""Features of three scales as those of the finest, in residual blocks."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vcl.layers.gain import unactivated

SLOPE = 0.1
"""Of the leaky ReLUs below zero."""


def leaky(x: Tensor) -> Tensor:
    """A ReLU that lets ``SLOPE`` of what is negative through."""
    return F.leaky_relu(x, SLOPE)


def transposed(channels: int, out_channels: int, stride: int, scaled: bool) -> nn.ConvTranspose2d:
    """An up-scaling whose kernel is its stride, and which no activation follows.

    Args:
        channels: of the input.
        out_channels: of the output.
        stride: up-scaling of each side.
        scaled: as in ``MaskedWeight.bound``.
    """
    layer = nn.ConvTranspose2d(channels, out_channels, stride, stride)
    unactivated(layer, scaled)
    return layer


class ResidualBlock(nn.Module):
    """``(B, C, H, W)`` to the same shape: two 3×3 convolutions with a leaky ReLU between them, and a sum.

    Args:
        channels: C.
        scaled: as in ``MaskedWeight.bound``.
        gain: of the convolutions with scaled first weights.
    """

    def __init__(self, channels: int, scaled: bool, gain: float) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = unactivated(nn.Conv2d(channels, channels, 3, padding=1), scaled, gain)

    def forward(self, x: Tensor) -> Tensor:
        """What goes in, plus what the convolutions make of it."""
        change: Tensor = self.second(leaky(self.first(x)))
        return x + change


class ScaleFusion(nn.Module):
    """Three maps, coarse to fine, to one of the finest size: scale up, put beside the next, mix in residual blocks.

    Args:
        widths: channels of the three maps.
        strides: how much larger the second is than the first, and the third than the second.
        blocks: residual blocks after each of the two steps.
        scaled: as in ``MaskedWeight.bound``; residual blocks then change what goes through them by as much as it is,
            all together, however many they are.

    Source:
        Kim, Lee and Kang, ECCV 2024, arXiv:2501.01681: the multi-resolution fusion unit.
    """

    def __init__(self, widths: tuple[int, int, int], strides: tuple[int, int], blocks: int, scaled: bool) -> None:
        super().__init__()
        self.scale_up, self.mix = nn.ModuleList(), nn.ModuleList()
        for coarse, fine, stride in zip(widths[:2], widths[1:], strides, strict=True):
            self.scale_up.append(transposed(coarse, coarse, stride, scaled))
            into = unactivated(nn.Conv2d(coarse + fine, fine, 3, padding=1), scaled)
            self.mix.append(nn.Sequential(into, *(ResidualBlock(fine, scaled, blocks**-0.5) for _ in range(blocks))))

    def forward(self, coarse: Tensor, middle: Tensor, fine: Tensor) -> Tensor:
        """``(B, C, H, W)`` of the finest."""
        fused = coarse
        for scale_up, mix, finer in zip(self.scale_up, self.mix, (middle, fine), strict=True):
            fused = mix(torch.cat((scale_up(fused), finer), dim=1))
        return fused
