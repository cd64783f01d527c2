"""E-NeRV: places and time apart from each other, joined as tokens, and time once more in every block."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vcl.backbones.base import Backbone
from vcl.backbones.upsampling import check_normed, grid_of, largest_of, up_blocks
from vcl.config import BackboneConfig
from vcl.config.backbones import EnervConfig
from vcl.layers.activation import ACTIVATIONS
from vcl.layers.attention import TokenBlock
from vcl.layers.constant import constant
from vcl.layers.encoding import FrameEncoding, PositionalEncoding
from vcl.layers.head import head_tensors, session_conv
from vcl.layers.light import light_first
from vcl.layers.modulation import modulated
from vcl.layers.own import SessionTensor
from vcl.query import Output, Query


class Enerv(Backbone):
    """Tokens of places, times a vector of the frame, and up-sampling blocks whose input the frame scales and shifts.

    Places are the same in every frame: they go through a transformer of their own, before the product with the frame's
    vector and a second one. A second branch makes of the frame the scales and shifts of each block, which act on
    features that are normalised by channel. Block 1 is a light one. A head of 1×1 per session gives the colours.

    Args:
        config: an ``EnervConfig``.
        size: height and width of a frame; multiples of the product of the strides, and larger than one product.
        sessions: not used.

    Raises:
        ConfigError: the frame's sides are no multiples of the strides' product, or leave a first map of one pixel.

    Source:
        Li et al., ECCV 2022, arXiv:2207.08132. Differs: the coordinates of the places, which it stores with the
        network, are computed; and with ``session_embedding`` both branches see the session beside the time.
    """

    recordable: ClassVar = True
    places: Tensor

    def __init__(self, config: BackboneConfig, size: tuple[int, int], sessions: int) -> None:
        super().__init__(config, size, sessions)
        assert isinstance(config, EnervConfig)
        self.config, self.grid = config, grid_of(size, config.strides)
        check_normed(self.grid, config)
        tokens, attention, hidden = config.token_width, config.attention_width, config.feedforward_width
        self.encoding = FrameEncoding(config.levels, config.base, config.time, config.session_embedding == "open")
        places = constant(lambda: _places(self.grid, PositionalEncoding(config.levels, config.base)))
        self.register_buffer("places", places, persistent=False)
        self.space = nn.Linear(4 * config.levels, tokens)
        self.space_block = TokenBlock(tokens, config.space_heads, attention, hidden)
        self.time = _two_layers(self.encoding.width, config.time_width, tokens)
        self.joint_block = TokenBlock(tokens, config.heads, attention, hidden)
        self.narrow = None if tokens == config.channels else nn.Linear(tokens, config.channels)
        widths = _widths(config)
        self.modulation = _two_layers(self.encoding.width, config.modulation_width, config.modulation_width)
        self.scales = nn.ModuleList(nn.Linear(config.modulation_width, 2 * width) for width in widths[:-1])
        self.blocks = up_blocks(config, self.grid, widths, [3] * len(config.strides), bias=True)
        light_first(self.blocks, widths)
        self.width = widths[-1]
        heads = max(config.heads, config.space_heads)
        weighings = heads * math.prod(self.grid) * max(3 * attention, math.prod(self.grid))
        self._largest_activation = max(largest_of(self.grid, widths, config.strides), weighings)

    @property
    def largest_activation(self) -> int:
        """What the tokens are weighed by, or what a block gives."""
        return self._largest_activation

    @property
    def session_tensors(self) -> Mapping[str, SessionTensor]:
        """A head with its biases, and those of all layers."""
        return {**super().session_tensors, **head_tensors(self.width)}

    def decode(self, query: Query, session: Mapping[str, Tensor], frame: Mapping[str, Tensor]) -> Output:
        """Tokens, blocks, head and sigmoid."""
        encoded = self.encoding.of_frames(query.session, query.t, query.frames)
        # In float32: next to nothing of a gradient comes back through the norm of the first block.
        with torch.autocast(encoded.device.type, enabled=False):
            tokens = self.tokens(encoded)
            if self.narrow is not None:
                tokens = F.gelu(self.narrow(tokens))
        features, modulation = tokens.mT.reshape(len(query), -1, *self.grid), self.modulation(encoded)
        activate = ACTIVATIONS[self.config.modulation_activation]
        for scale, block in zip(self.scales, self.blocks, strict=True):
            features = block(modulated(features, activate(scale(modulation))))
        return Output(session_conv(features, session["head"][..., None, None], session["head_bias"]).sigmoid())

    def tokens(self, encoded: Tensor) -> Tensor:
        """``(B, places, token_width)``, the joint tokens of frames that are encoded ``(B, width)``."""
        places = F.gelu(self.space(self.places.expand(len(encoded), -1, -1)))
        tokens: Tensor = self.joint_block(self.space_block(places) * self.time(encoded)[:, None])
        return tokens


def _places(grid: tuple[int, int], encoding: PositionalEncoding) -> Tensor:
    """``(1, places, 4 · levels)``: row and column of each place, relative to their numbers, line by line."""
    rows, columns = (torch.arange(side, dtype=torch.float64) / side for side in grid)
    places = torch.cartesian_prod(rows, columns)
    return torch.cat((encoding(places[:, 0]), encoding(places[:, 1])), dim=1)[None]


def _two_layers(inputs: int, between: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, between), nn.GELU(), nn.Linear(between, outputs), nn.GELU())


def _widths(config: EnervConfig) -> list[int]:
    """Channels of the first map and of what each block gives."""
    widths = [config.channels, int(config.channels * config.expansion)]
    for _ in config.strides[1:]:
        widths.append(max(widths[-1] // config.reduction, config.lower_width))
    return widths
