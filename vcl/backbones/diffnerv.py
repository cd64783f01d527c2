"""DNeRV: what is in a frame and how it differs from its neighbours, each with numbers and a decoder of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from vcl.backbones.base import Backbone
from vcl.backbones.upsampling import grid_of, largest_of, up_blocks
from vcl.config import BackboneConfig
from vcl.config.backbones import DiffnervConfig
from vcl.layers.difference import ContentUnit, PlainEncoder
from vcl.layers.gain import unactivated
from vcl.layers.head import head_tensors, session_conv
from vcl.layers.own import SessionTensor
from vcl.layers.upsample import UpsampleBlock, channels_last
from vcl.query import Output, Query


class Diffnerv(Backbone):
    """Two encoders; a stem and up-sampling blocks of the content; and one block of the difference, which joins them.

    The difference of a frame is that from the frame before it, and that to the frame after it. At an end of a video the
    frame itself is in the place of the one that is missing, so that this difference is 0.

    Args:
        config: a ``DiffnervConfig``.
        size: height and width of a frame; multiples of the product of the strides, and of that of the strides of the
            difference.
        sessions: not used: a frame's numbers say which video it is of.

    Raises:
        ConfigError: the network cannot make frames of this size, or its maps are too small for the operator.

    Source:
        Zhao, Asif and Ma, CVPR 2023, arXiv:2304.06544, where it is called DNeRV, as another network is.
    """

    training_only: ClassVar = ("content_encoder", "difference_encoder")
    recordable: ClassVar = True

    def __init__(self, config: BackboneConfig, size: tuple[int, int], sessions: int) -> None:
        super().__init__(config, size, sessions)
        assert isinstance(config, DiffnervConfig)
        self.config, self.grid = config, grid_of(size, config.strides)
        self.difference_grid = grid_of(size, config.difference_strides, "backbone.difference_strides")
        width = config.encoder_width
        self.content_encoder = PlainEncoder(3, config.strides, width, config.code_channels)
        self.difference_encoder = PlainEncoder(6, config.difference_strides, width, config.difference_channels)
        self.channels = [config.channels]
        for _ in config.strides:
            self.channels.append(max(math.floor(self.channels[-1] / config.reduction), config.lower_width))
        self.channels[0] += config.stem_extra
        self.stem = unactivated(nn.Conv2d(config.code_channels, self.channels[0], 1), self.scaled)
        kernels = [min(2 * number + 1, config.largest_kernel) for number in range(len(config.strides))]
        self.blocks = up_blocks(config, self.grid, self.channels, kernels, bias=True)
        before, fused = self.channels[config.fusion_block - 1 : config.fusion_block + 1]
        scale = config.difference_scale
        self.difference_stem = unactivated(nn.Conv2d(config.difference_channels, before, 1), self.scaled)
        up = nn.Conv2d(before, fused * scale**2, 3, padding=1)
        self.difference_block = UpsampleBlock(up, None, scale, config.activation)
        self.unit = ContentUnit(fused, self.scaled)

    @property
    def largest_activation(self) -> int:
        """What the stem or a block gives."""
        return max(largest_of(self.grid, self.channels, self.config.strides), super().largest_activation)

    @property
    def session_tensors(self) -> Mapping[str, SessionTensor]:
        """A head with its biases, and those of all layers."""
        return {**super().session_tensors, **head_tensors(self.channels[-1], kernel=3)}

    @property
    def frame_tensors(self) -> Mapping[str, tuple[int, ...]]:
        """The maps of the content and of the difference."""
        difference = (self.config.difference_channels, *self.difference_grid)
        return {"content": (self.config.code_channels, *self.grid), "difference": difference}

    def frames_seen(self, t: Tensor, frames: int) -> Tensor:
        """The frame before, the frame itself and the frame after; itself in place of one that a video lacks."""
        return torch.stack((t - 1, t, t + 1), dim=1).clamp(0, frames - 1)

    def encode(self, query: Query, frames: Tensor) -> Mapping[str, Tensor]:
        """The encoders' maps of the frame, and of its two differences, colour by colour."""
        differences = frames.diff(dim=1).transpose(1, 2).flatten(1, 2)
        return {"content": self.content_encoder(frames[:, 1]), "difference": self.difference_encoder(differences)}

    def decode(self, query: Query, session: Mapping[str, Tensor], frame: Mapping[str, Tensor]) -> Output:
        """Stem, blocks with the difference behind one of them, head and sigmoid."""
        difference = self.difference_block(channels_last(self.difference_stem(frame["difference"])))
        features = channels_last(self.stem(frame["content"]))
        for number, block in enumerate(self.blocks, 1):
            features = block(features)
            if number == self.config.fusion_block:
                features = self.unit(features, difference)
        return Output(session_conv(features, session["head"], session["head_bias"]).sigmoid())
