"""Parts of D-NeRV: maps of key frames at the scale of each block, and what becomes of them as things move."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from vcl.layers.flow import warped
from vcl.layers.gain import glorot


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
        last = glorot(nn.Conv2d(between, 4, 3, padding=1), scaled, activated=False)
        super().__init__(glorot(nn.Conv2d(channels, between, 1), scaled), nn.GELU(), last)

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
        self.first = glorot(nn.Conv2d(3, width, 3, padding=1), scaled)
        self.down = nn.ModuleList(glorot(nn.Conv2d(width, width, stride, stride), scaled) for stride in strides[::-1])

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """``(B, 3, H, W)`` to a map for each block, that of the first block first."""
        maps = [F.gelu(self.first(pictures))]
        for layer in self.down:
            maps.append(F.gelu(layer(maps[-1])))
        return maps[:0:-1]
