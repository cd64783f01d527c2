"""NeRV with a session-indexed input and, in one block, a Fourier subneural operator."""

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vcl.backbones.base import Backbone
from vcl.config import BackboneConfig, NervConfig
from vcl.errors import ConfigError
from vcl.layers.encoding import PositionalEncoding, session_position_fraction, session_position_open
from vcl.layers.fourier import FourierOperator
from vcl.layers.masked import MaskedConv2d, MaskedLinear
from vcl.layers.upsample import UpsampleBlock, activated_head


class Nerv(Backbone):
    """Two linear layers, one up-sampling block a stride, and a 1×1 head a session. No layer has a bias.

    Args:
        config: a ``NervConfig``.
        size: height and width of a frame; multiples of the product of the strides.
        sessions: videos in the stream; used by the parity switch ``session_embedding: fraction`` alone.
        capacity: share of the weights in one session's mask; None for a dense network.
        signed_operator_scores: rank the operator's scores by value (parity).

    Raises:
        ConfigError: the frame's sides are no multiples of the strides' product, or too small for the operator.

    Source:
        Chen et al., NeurIPS 2021, arXiv:2110.13903; session input, heads and operator: Kang et al., ICLR 2024,
        arXiv:2306.11305, whose released code runs the operator alone where its figure adds it to the convolution.
    """

    def __init__(
        self,
        config: BackboneConfig,
        size: tuple[int, int],
        sessions: int,
        capacity: float | None = None,
        signed_operator_scores: bool = False,
    ) -> None:
        super().__init__(config, size, sessions, capacity, signed_operator_scores)
        assert isinstance(config, NervConfig)
        self.grid = _grid(size, config.strides)
        self.sessions = sessions if config.session_embedding == "fraction" else None
        self.waves = PositionalEncoding(config.levels, config.base)
        self.fc1 = MaskedLinear(4 * config.levels, config.stem_width, capacity)
        self.fc2 = MaskedLinear(config.stem_width, config.channels * math.prod(self.grid), capacity)
        self.blocks = nn.ModuleList()
        width, here = config.channels, self.grid
        for number, stride in enumerate(config.strides, start=1):
            first = number == 1
            outputs = int(width * config.expansion) if first else max(width // config.reduction, config.lower_width)
            operator = None
            if number == config.operator_block:
                if min(here) < 2:
                    raise ConfigError(f"backbone.operator_block must have an input of 2 px or more a side, got {here}")
                operator = FourierOperator(
                    width, outputs, here, capacity, signed_operator_scores, config.operator_spectrum
                )
            alone = operator is not None and config.operator_path == "only"
            conv = None if alone else MaskedConv2d(width, outputs * stride**2, 3, capacity)
            self.blocks.append(block := UpsampleBlock(conv, operator, stride))
            width, here = outputs, (here[0] * stride, here[1] * stride)
        self.width, self.pending = width, block.pending
        self.heads = nn.ParameterList()

    @property
    def head_shape(self) -> tuple[int, ...]:
        """RGB from the last block's channels."""
        return 3, self.width

    def features(self, x: Tensor) -> Tensor:
        """``(B, 2)`` to the last block's channels before activation, see ``UpsampleBlock.raw``."""
        place, session = x.unbind(1)
        turn = (
            session_position_open(session)
            if self.sessions is None
            else session_position_fraction(session, self.sessions)
        )
        embedding = torch.cat((self.waves(place), self.waves(turn)), dim=1)
        stem = F.relu(self.fc2(F.relu(self.fc1(embedding))))
        features = stem.view(len(x), -1, *self.grid).contiguous(memory_format=torch.channels_last)
        *blocks, last = cast("list[UpsampleBlock]", list(self.blocks))
        for block in blocks:
            features = block(features)
        return last.raw(features)

    def finish(self, features: Tensor, head: Tensor) -> Tensor:
        """Activation, pixel shuffle, a 1×1 convolution and (tanh + 1) / 2."""
        return (activated_head(features, head, self.pending).tanh() + 1) / 2


def _grid(size: tuple[int, int], strides: tuple[int, ...]) -> tuple[int, int]:
    scale = math.prod(strides)
    if size[0] % scale or size[1] % scale:
        raise ConfigError(
            f"stream.size must be multiples of {scale}, the product of backbone.strides, got {list(size)}"
        )
    return size[0] // scale, size[1] // scale
