"""NeRV with a session-indexed input and, in one block, a Fourier subneural operator."""

import math
from collections.abc import Mapping
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from vcl.backbones.base import Backbone
from vcl.backbones.upsampling import grid_of, largest_of, up_blocks
from vcl.config import BackboneConfig, NervConfig
from vcl.layers.activation import ACTIVATIONS
from vcl.layers.encoding import (
    PositionalEncoding,
    session_position_fraction,
    session_position_open,
    time_position,
)
from vcl.layers.head import head_tensors, session_conv
from vcl.layers.own import SessionTensor
from vcl.layers.upsample import UpsampleBlock, activated_head, channels_last
from vcl.query import Output, Query


class Nerv(Backbone):
    """Two linear layers, one up-sampling block per stride, and a head per session.

    Args:
        config: a ``NervConfig``.
        size: height and width of a frame; multiples of the product of the strides.
        sessions: videos in the stream; used by the parity switch ``session_embedding: fraction`` alone.

    Raises:
        ConfigError: the frame's sides are no multiples of the strides' product, or too small for the operator.

    Source:
        Chen et al., NeurIPS 2021, arXiv:2110.13903; session input, heads and operator: Kang et al., ICLR 2024,
        arXiv:2306.11305, whose released code runs the operator alone where its figure adds it to the convolution.
    """

    recordable: ClassVar = True

    def __init__(self, config: BackboneConfig, size: tuple[int, int], sessions: int) -> None:
        super().__init__(config, size, sessions)
        assert isinstance(config, NervConfig)
        self.grid = grid_of(size, config.strides)
        self.sessions = sessions if config.session_embedding == "fraction" else None
        self.encoding = PositionalEncoding(config.levels, config.base)
        inputs = 2 * config.levels * (1 if config.session_embedding == "none" else 2)
        if config.stem_width:
            self.fc1 = nn.Linear(inputs, config.stem_width, bias=config.biases)
        self.fc2 = nn.Linear(config.stem_width or inputs, config.channels * math.prod(self.grid), bias=config.biases)
        widths = [config.channels]
        for number in range(len(config.strides)):
            widths.append(_width(config, widths[-1], first=number == 0))
        self.blocks = up_blocks(config, self.grid, widths, [3] * len(config.strides), config.biases)
        self._largest_activation = largest_of(self.grid, widths, config.strides)
        self.config, self.width = config, widths[-1]
        self.pending = cast("UpsampleBlock", self.blocks[-1]).pending

    @property
    def largest_activation(self) -> int:
        """What the stem or a block gives."""
        return self._largest_activation

    @property
    def session_tensors(self) -> Mapping[str, SessionTensor]:
        """A head, RGB from the last block's channels; and with ``biases`` those of all layers."""
        head = head_tensors(self.width, self.config.head_kernel)
        if not self.config.biases:
            del head["head_bias"]
        return {**super().session_tensors, **head}

    def decode(self, query: Query, session: Mapping[str, Tensor], frame: Mapping[str, Tensor]) -> Output:
        """Stem, blocks, head and (tanh + 1) / 2."""
        stem, activate = self._embedded(query), ACTIVATIONS[self.config.stem_activation]
        if self.config.stem_width:
            stem = activate(self.fc1(stem))
        stem = activate(self.fc2(stem))
        features = channels_last(stem.view(len(query), -1, *self.grid))
        *blocks, last = cast("list[UpsampleBlock]", list(self.blocks))
        for block in blocks:
            features = block(features)
        return Output((self._colours(last, features, session).tanh() + 1) / 2)

    def _embedded(self, query: Query) -> Tensor:
        time: Tensor = self.encoding(time_position(query.t, query.frames, self.config.time))
        if self.config.session_embedding == "none":
            return time
        if self.sessions is None:
            position = session_position_open(query.session)
        else:
            position = session_position_fraction(query.session, self.sessions)
        return torch.cat((time, self.encoding(position)), dim=1)

    def _colours(self, last: UpsampleBlock, features: Tensor, session: Mapping[str, Tensor]) -> Tensor:
        """The last block and the head, unbounded."""
        head = session["head"]
        if last.activation == "silu" and self.config.head_kernel == 1:
            colours = activated_head(last.raw(features), head, self.pending)
            return colours + session["head_bias"][..., None, None] if self.config.biases else colours
        weight = head if head.dim() == 5 else head[..., None, None]
        return session_conv(last(features), weight, session.get("head_bias"))


def _width(config: NervConfig, before: int, first: bool) -> int:
    """Channels of a block, from those before it."""
    if config.reduce_first:
        return max(round(before / config.reduction), config.lower_width)
    return int(before * config.expansion) if first else max(before // config.reduction, config.lower_width)
