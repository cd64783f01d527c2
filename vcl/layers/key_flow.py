"""Parts of D-NeRV: maps of key frames at the scale of each block, and what becomes of them as things move."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vcl.layers.fusion import linear

Layer = TypeVar("Layer", nn.Conv2d, nn.Linear)


def warped(x: Tensor, flow: Tensor) -> Tensor:
    """What lies at each place of a map plus its flow, between the four values around; beyond an edge, what is at it.

    Args:
        x: ``(B, C, H, W)``.
        flow: ``(B, 2, H, W)``, columns and rows of the map to go to the right and down.

    Returns:
        The shape and the type of ``x``.
    """
    height, width = x.shape[-2:]
    columns, rows = (torch.arange(side, device=x.device) for side in (width, height))
    across = (columns + flow[:, 0].float()) * (2 / max(width - 1, 1)) - 1
    down = (rows[:, None] + flow[:, 1].float()) * (2 / max(height - 1, 1)) - 1
    places = torch.stack((across, down), dim=-1)
    return F.grid_sample(x.float(), places, padding_mode="border", align_corners=True).to(x.dtype)


def mixed(start: Tensor, end: Tensor, position: Tensor) -> Tensor:
    """Two maps ``(B, C, H, W)`` by the position ``(B,)`` between them: the first at 0, the second at 1."""
    share = position[:, None, None, None]
    return (1 - share) * start + share * end


class FlowHead(nn.Sequential):
    """Features ``(B, channels, H, W)`` to two flows ``(B, 4, H, W)``: a 1×1 convolution, GELU and a 3×3 convolution.

    Args:
        channels: of the features.
        scaled: as in ``MaskedWeight.bound``.

    Source:
        He et al., CVPR 2023, arXiv:2303.14124.
    """

    def __init__(self, channels: int, scaled: bool) -> None:
        between = max(1, channels // 4)
        last = drawn(nn.Conv2d(between, 4, 3, padding=1), scaled, activated=False)
        super().__init__(drawn(nn.Conv2d(channels, between, 1), scaled), nn.GELU(), last)

    def moved(self, features: Tensor, start: Tensor, end: Tensor, position: Tensor) -> Tensor:
        """Maps of the two key frames, each along its flow, mixed by the position between them.

        Args:
            features: ``(B, channels, H, W)``.
            start: ``(B, C, H, W)``.
            end: ``(B, C, H, W)``.
            position: ``(B,)`` in [0, 1].

        Returns:
            The shape of ``start``.
        """
        forward, backward = self(features).split(2, dim=1)
        return mixed(warped(start, forward), warped(end, backward), position)


class KeyEncoder(nn.Module):
    """Pictures to their maps at the scale of what each block takes: a 3×3 convolution, and one for each stride.

    Args:
        strides: of the blocks.
        width: channels of all maps.
        scaled: as in ``MaskedWeight.bound``.

    Source:
        He et al., CVPR 2023, arXiv:2303.14124.
    """

    def __init__(self, strides: Sequence[int], width: int, scaled: bool) -> None:
        super().__init__()
        self.first = drawn(nn.Conv2d(3, width, 3, padding=1), scaled)
        self.down = nn.ModuleList(drawn(nn.Conv2d(width, width, stride, stride), scaled) for stride in strides[::-1])

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """``(B, 3, H, W)`` to a map for each block, that of the first block first."""
        maps = [F.gelu(self.first(pictures))]
        for layer in self.down:
            maps.append(F.gelu(layer(maps[-1])))
        return maps[:0:-1]


def drawn(layer: Layer, scaled: bool, activated: bool = True) -> Layer:
    """Have a layer begin with the rule of Glorot and Bengio, AISTATS 2010, or with scaled first weights.

    Args:
        layer: square convolution or linear layer.
        scaled: as in ``MaskedWeight.bound``.
        activated: whether an activation follows.
    """
    outputs, inputs = layer.weight.shape[:2]
    if not scaled:
        layer.gain = math.sqrt(inputs / (inputs + outputs))  # type: ignore[assignment]
    elif not activated:
        linear(layer, scaled)
    return layer
