"""Up-sampling blocks of the features of a frame, and of the frame with its motion before and after it."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from vcl.layers.fourier import FourierOperator
from vcl.layers.fusion import leaky
from vcl.layers.gain import unactivated

RESIDUAL_GAIN = 0.5
"""Of the last convolution of a block with scaled first weights, so that features grow little from block to block."""


class ScaleUp(nn.Module):
    """``(B, in_channels, H, W)`` to ``(B, out_channels, stride·H, stride·W)``, without an activation.

    Args:
        conv: a transposed convolution whose kernel is its stride; None leaves the operator alone.
        operator: to as many channels; None leaves the convolution alone. With both, they are added.
        stride: up-scaling of each side.
    """

    def __init__(self, conv: nn.ConvTranspose2d | None, operator: FourierOperator | None, stride: int) -> None:
        super().__init__()
        if conv is None and operator is None:
            raise ValueError("an up-scaling needs a convolution or an operator")
        self.conv, self.operator, self.stride = conv, operator, stride

    def forward(self, x: Tensor) -> Tensor:
        """The sum of the two paths, or the only one."""
        if self.operator is None:
            assert self.conv is not None
            coarse: Tensor = self.conv(x)
            return coarse
        finer: Tensor = self.operator(x, (x.shape[-2] * self.stride, x.shape[-1] * self.stride))
        return finer if self.conv is None else finer + self.conv(x)


class SpatialBlock(nn.Module):
    """Up-scaling, then two 3×3 convolutions with leaky ReLUs, added to what they take.

    Args:
        scale_up: to ``channels``.
        channels: of the output.
        expansion: channels between the convolutions, relative to those.
        scaled: as in ``MaskedWeight.bound``.

    Source:
        Kim, Lee and Kang, ECCV 2024, arXiv:2501.01681.
    """

    def __init__(self, scale_up: ScaleUp, channels: int, expansion: int, scaled: bool) -> None:
        super().__init__()
        self.scale_up = scale_up
        self.first = nn.Conv2d(channels, expansion * channels, 3, padding=1)
        last = nn.Conv2d(expansion * channels, channels, 3, padding=1)
        self.second = unactivated(last, scaled, RESIDUAL_GAIN)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, channels, stride·H, stride·W)``."""
        finer: Tensor = self.scale_up(x)
        return leaky(self.second(leaky(self.first(finer)))) + finer


class TemporalBlock(nn.Module):
    """The same of three maps, before, now and after, whose convolutions see all three.

    Args:
        scale_up: of the map of now, to ``channels``.
        scale_before: of the map before, likewise.
        scale_after: of the map after, likewise.
        channels: of each map that it gives.
        wide: channels between the convolutions.
        convolution: in time and space, ``3d``; or, ``2d``, in space with the three times as channels.
        last: whether to give the map of now alone.
        scaled: as in ``MaskedWeight.bound``.

    Source:
        Kim, Lee and Kang, ECCV 2024, arXiv:2501.01681: the temporally extended up-sampling block.
    """

    def __init__(
        self,
        scale_up: ScaleUp,
        scale_before: nn.Module,
        scale_after: nn.Module,
        channels: int,
        wide: int,
        convolution: Literal["3d", "2d"],
        last: bool,
        scaled: bool,
    ) -> None:
        super().__init__()
        self.scale_before, self.scale_up, self.scale_after = scale_before, scale_up, scale_after
        self.channels, self.last, self.in_time = channels, last, convolution == "3d"
        if self.in_time:
            self.first: nn.Module = nn.Conv3d(channels, wide, 3, padding=1)
        else:
            self.first = nn.Conv2d(3 * channels, 3 * wide, 3, padding=1)
        if last:  # In time, too, it sees all three at once.
            second: nn.Module = nn.Conv2d(3 * wide, channels, 3, padding=1)
        elif self.in_time:
            second = nn.Conv3d(wide, channels, 3, padding=1)
        else:
            second = nn.Conv2d(3 * wide, 3 * channels, 3, padding=1)
        self.second = unactivated(second, scaled, RESIDUAL_GAIN)

    def forward(self, before: Tensor, now: Tensor, after: Tensor) -> tuple[Tensor, ...]:
        """Three maps of ``(B, coarse, H, W)`` to three of ``(B, channels, stride·H, stride·W)``; the last gives one."""
        finer = torch.stack((self.scale_before(before), self.scale_up(now), self.scale_after(after)), dim=2)
        # In 2-D the channels of before come first, then those of now, then those of after.
        x = finer if self.in_time else finer.transpose(1, 2).flatten(1, 2)
        wide = leaky(_in_float32(self.first, x) if self.in_time else self.first(x))
        if self.last:
            return (leaky(self.second(wide.flatten(1, -3))) + finer[:, :, 1],)
        change = leaky(_in_float32(self.second, wide) if self.in_time else self.second(wide))
        if not self.in_time:
            change = change.reshape(len(now), 3, self.channels, *change.shape[2:]).transpose(1, 2)
        return (change + finer).unbind(2)


def _in_float32(layer: nn.Module, x: Tensor) -> Tensor:
    """What a 3-D convolution gives; in bfloat16 those of PyTorch 2.15 have wrong gradients on a CPU, or crash."""
    if x.device.type != "cpu":
        given: Tensor = layer(x)
        return given
    with torch.autocast("cpu", enabled=False):
        given = layer(x.float())
    return given
