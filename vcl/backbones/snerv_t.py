"""SNeRV-T: the wavelet bands of a frame, of its own numbers and those of the motion before and after it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from vcl.backbones.bands import BandsBackbone, bounds_of, normalised
from vcl.backbones.upsampling import grid_of, largest_of, operator_of
from vcl.config import BackboneConfig
from vcl.config.backbones import SnervTConfig
from vcl.layers.convnext import ConvNextEncoder
from vcl.layers.fusion import transposed
from vcl.layers.temporal import ScaleUp, SpatialBlock, TemporalBlock
from vcl.layers.wavelet import haar
from vcl.query import Output, Query


class SnervT(BandsBackbone):
    """Three encoders, blocks of the frame, and three last blocks that mix it with the motion before and after it.

    Of the low bands of a frame and of each neighbour, half the low half of a Haar wavelet in time, (a + b) / √8, is
    what an encoder of motion takes. The first frame of a video has the one after it in the place of the one before, and
    the last frame likewise; the only frame of a video has itself.

    Args:
        config: a ``SnervTConfig``.
        size: height and width of a frame, as of ``BandsBackbone``; multiples of twice the product of the strides of
            motion, too.
        sessions: not used.

    Raises:
        ConfigError: the network cannot make frames of this size, or its maps are too small for the operator.

    Source:
        Kim, Lee and Kang, ECCV 2024, arXiv:2501.01681, whose text has the difference in time where its code
        has the sum, as here. Differs: bounds are of each frame with its neighbours, and not of a batch of them; and the
        loss scales the true low band by the bounds that scale the decoded one, see ``loss_bounds`` in the config.
    """

    training_only: ClassVar = ("encoder", "encoder_before", "encoder_after")
    recordable: ClassVar = True

    def __init__(self, config: BackboneConfig, size: tuple[int, int], sessions: int) -> None:
        super().__init__(config, size, sessions)
        assert isinstance(config, SnervTConfig)
        self.config, plain = config, len(config.strides) - 3
        self.motion_grid = grid_of(size, config.motion_strides, "backbone.motion_strides", halved=True)
        self.encoder_before, self.encoder_after = (
            ConvNextEncoder(config.motion_strides, config.encoder_width, config.motion_channels) for _ in range(2)
        )
        blocks = [self._block(number) for number in range(len(config.strides))]
        self.blocks, self.temporal_blocks = nn.ModuleList(blocks[:plain]), nn.ModuleList(blocks[plain:])
        width = self.channels[plain]
        self.motion_stem = nn.Conv2d(config.motion_channels, width, 1)
        ups = _factors(math.prod(config.motion_strides) // math.prod(config.strides[-3:]))
        self.motion_up = nn.Sequential(*(transposed(width, width, stride, self.scaled) for stride in ups))

    @property
    def largest_activation(self) -> int:
        """What a block has within, of three maps at a time in the last blocks; or as of ``BandsBackbone``."""
        within = [self.channels[0]]
        for number, channels in enumerate(self.channels[1:]):
            within.append((1 if number < len(self.blocks) else 3) * self.config.expansion * channels)
        return max(largest_of(self.grid, within, self.strides), super().largest_activation)

    @property
    def frame_tensors(self) -> Mapping[str, tuple[int, ...]]:
        """Those of ``BandsBackbone``, and a map of the motion from the frame before and of that to the frame after."""
        motion = (self.config.motion_channels, *self.motion_grid)
        return {**super().frame_tensors, "before": motion, "after": motion}

    def frames_seen(self, t: Tensor, frames: int) -> Tensor:
        """The frame before, the frame itself and the frame after; at an end of the video its only neighbour twice."""
        before = torch.where(t > 0, t - 1, t + 1)
        after = torch.where(t < frames - 1, t + 1, t - 1)
        return torch.stack((before, t, after), dim=1).clamp(0, frames - 1)

    def encode(self, query: Query, frames: Tensor) -> Mapping[str, Tensor]:
        """Maps of the low band and of the motion on both sides, and the bounds of the low bands of all three frames."""
        low, _ = haar(frames)
        bounds = bounds_of(low)
        before, now, after = normalised(low, bounds).unbind(1)
        return {
            "code": self.encoder(now),
            "before": self.encoder_before((now + before) / math.sqrt(8)),
            "after": self.encoder_after((now + after) / math.sqrt(8)),
            "bounds": bounds,
        }

    def decode(self, query: Query, session: Mapping[str, Tensor], frame: Mapping[str, Tensor]) -> Output:
        """Blocks of the frame, blocks of the frame with its motion, and bands of what the last three give."""
        now = self.first_features(frame["code"])
        for block in self.blocks:
            now = block(now)
        maps: tuple[Tensor, ...] = self._motion(frame["before"]), now, self._motion(frame["after"])
        scales = []
        for block in self.temporal_blocks:
            maps = block(*maps)
            scales.append(maps[len(maps) // 2])
        return self.bands(scales, session, frame["bounds"])

    def loss_bounds(self, output: Output, low: Tensor) -> Tensor:
        """Those of the three frames, or with ``loss_bounds: own`` those of the frame itself."""
        return bounds_of(low) if self.config.loss_bounds == "own" else super().loss_bounds(output, low)

    def _motion(self, code: Tensor) -> Tensor:
        """Features of one side's motion, of the size of the map that the first temporal block takes."""
        features: Tensor = self.motion_up(self.activate(self.motion_stem(code)))
        return features

    def _scale_up(self, number: int) -> ScaleUp:
        """Of a block, with the operator where the config says so."""
        config, stride = self.config, self.config.strides[number]
        inputs, outputs = self.channels[number : number + 2]
        scale = math.prod(config.strides[:number])
        size = self.grid[0] * scale, self.grid[1] * scale
        operator = operator_of(config, number, (inputs, outputs), size)
        alone = operator is not None and config.operator_path == "only"
        return ScaleUp(None if alone else transposed(inputs, outputs, stride, self.scaled), operator, stride)

    def _block(self, number: int) -> SpatialBlock | TemporalBlock:
        config, scale_up = self.config, self._scale_up(number)
        inputs, outputs = self.channels[number : number + 2]
        later = number - len(config.strides) + 3
        if later < 0:
            return SpatialBlock(scale_up, outputs, config.expansion, self.scaled)
        before, after = (transposed(inputs, outputs, config.strides[number], self.scaled) for _ in range(2))
        wide, last = config.expansion * outputs, later == 2
        return TemporalBlock(scale_up, before, after, outputs, wide, config.convolution, last, self.scaled)


def _factors(number: int) -> list[int]:
    """Prime factors, the largest first."""
    found = []
    for factor in range(2, number + 1):
        while number % factor == 0:
            found.append(factor)
            number //= factor
    return found[::-1]
