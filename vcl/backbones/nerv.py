"""NeRV with a session-indexed input and, in one block, a Fourier subneural operator."""

import math
from collections.abc import Mapping
from typing import ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vcl.backbones.base import Backbone
from vcl.config import BackboneConfig, NervConfig
from vcl.errors import ConfigError
from vcl.layers.encoding import PositionalEncoding, session_position_fraction, session_position_open
from vcl.layers.fourier import FourierOperator
from vcl.layers.own import SessionTensor
from vcl.layers.upsample import UpsampleBlock, activated_head
from vcl.query import Output, Query


class Nerv(Backbone):
    """Two linear layers, one up-sampling block per stride, and a 1×1 head per session. No layer has a bias.

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
        self.grid = _grid(size, config.strides)
        self.sessions = sessions if config.session_embedding == "fraction" else None
        self.encoding = PositionalEncoding(config.levels, config.base)
        self.fc1 = nn.Linear(4 * config.levels, config.stem_width, bias=False)
        self.fc2 = nn.Linear(config.stem_width, config.channels * math.prod(self.grid), bias=False)
        self.blocks = nn.ModuleList()
        width, size_here = config.channels, self.grid
        activations = [width * math.prod(size_here)]
        for number, stride in enumerate(config.strides, start=1):
            first = number == 1
            outputs = int(width * config.expansion) if first else max(width // config.reduction, config.lower_width)
            operator = None
            if number == config.operator_block:
                if min(size_here) < 2:
                    rule = "have an input of 2 px or more a side"
                    raise ConfigError(f"backbone.operator_block must {rule}, got {size_here}")
                operator = FourierOperator(width, outputs, size_here, config.operator_spectrum)
            alone = operator is not None and config.operator_path == "only"
            conv = None if alone else nn.Conv2d(width, outputs * stride**2, 3, padding=1, bias=False)
            self.blocks.append(block := UpsampleBlock(conv, operator, stride))
            width, size_here = outputs, (size_here[0] * stride, size_here[1] * stride)
            activations.append(width * math.prod(size_here))
        self._largest_activation = max(activations)
        self.width, self.pending = width, block.pending

    @property
    def largest_activation(self) -> int:
        """What the stem or a block gives."""
        return self._largest_activation

    @property
    def session_tensors(self) -> Mapping[str, SessionTensor]:
        """A head: RGB from the last block's channels."""
        return {**super().session_tensors, "head": SessionTensor((3, self.width))}

    def decode(self, query: Query, session: Mapping[str, Tensor], frame: Mapping[str, Tensor]) -> Output:
        """Stem, blocks, head and (tanh + 1) / 2."""
        if self.sessions is None:
            position = session_position_open(query.session)
        else:
            position = session_position_fraction(query.session, self.sessions)
        embedding = torch.cat((self.encoding(query.fraction), self.encoding(position)), dim=1)
        stem = F.relu(self.fc2(F.relu(self.fc1(embedding))))
        features = stem.view(len(query), -1, *self.grid).contiguous(memory_format=torch.channels_last)
        *blocks, last = cast("list[UpsampleBlock]", list(self.blocks))
        for block in blocks:
            features = block(features)
        return Output((activated_head(last.raw(features), session["head"], self.pending).tanh() + 1) / 2)


def _grid(size: tuple[int, int], strides: tuple[int, ...]) -> tuple[int, int]:
    scale = math.prod(strides)
    if size[0] % scale or size[1] % scale:
        raise ConfigError(
            f"stream.size must be multiples of {scale}, the product of backbone.strides, got {list(size)}"
        )
    return size[0] // scale, size[1] // scale
