"""The ConvNeXt encoder of the HNeRV line, which only training sees."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Conv(nn.Conv2d):
    """A convolution with first weights from a normal distribution of width 0.02, and biases of 0."""

    def reset_parameters(self) -> None:
        """Draw the weights anew, from PyTorch's generator."""
        nn.init.normal_(self.weight, std=0.02)
        if self.bias is not None:
            nn.init.zeros_(self.bias)


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of ``(B, C, H, W)``."""

    def forward(self, x: Tensor) -> Tensor:
        """Each position by itself."""
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class ConvNextBlock(nn.Module):
    """A residual block: depthwise 7×7 convolution, norm, two linear layers with GELU between them, and a scale.

    Args:
        channels: of the input and of the output.

    Source:
        Liu et al., CVPR 2022, arXiv:2201.03545.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = Conv(channels, channels, 7, padding=3, groups=channels)
        self.norm = ChannelNorm(channels, eps=1e-6)
        self.wide = Conv(channels, 4 * channels, 1)
        self.narrow = Conv(4 * channels, channels, 1)
        self.scale = nn.Parameter(torch.empty(channels, 1, 1))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Begin close to the identity."""
        nn.init.constant_(self.scale, 1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, channels, H, W)`` to the same shape."""
        inner: Tensor = self.narrow(F.gelu(self.wide(self.norm(self.depthwise(x)))))
        return x + self.scale * inner


class ConvNextEncoder(nn.Sequential):
    """Frames to maps of a few channels: a strided convolution and a block for each stride.

    Args:
        strides: downscaling of each stage.
        width: channels of all stages but the last.
        out_channels: of the last.

    Source:
        Chen et al., CVPR 2023, arXiv:2304.02633. Differs: first weights from a normal distribution that is not cut.
    """

    def __init__(self, strides: tuple[int, ...], width: int, out_channels: int) -> None:
        stages: list[nn.Module] = []
        widths = [3, *[width] * (len(strides) - 1), out_channels]
        for number, stride in enumerate(strides):
            down = Conv(widths[number], widths[number + 1], stride, stride)
            norm = ChannelNorm(widths[number + 1 if number == 0 else number], eps=1e-6)
            stages += [down, norm] if number == 0 else [norm, down]
            stages.append(ConvNextBlock(widths[number + 1]))
        super().__init__(*stages)
