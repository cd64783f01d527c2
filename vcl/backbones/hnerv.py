"""HNeRV: a few numbers of each frame, from an encoder that only training sees, and up-sampling blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from vcl.backbones.base import Backbone
from vcl.backbones.upsampling import grid_of, largest_of, up_blocks
from vcl.config import BackboneConfig
from vcl.config.backbones import HnervConfig
from vcl.layers.convnext import ConvNextEncoder
from vcl.layers.head import head_tensors, session_conv
from vcl.layers.own import SessionTensor
from vcl.layers.upsample import channels_last
from vcl.query import Output, Query


class Hnerv(Backbone):
    """A ConvNeXt encoder, a 1×1 stem, up-sampling blocks whose kernels grow, and a 3×3 head per session.

    A frame's own numbers are the encoder's map of it. They are stored with the session, and the encoder is not.

    Args:
        config: an ``HnervConfig``.
        size: height and width of a frame; multiples of the product of the strides.
        sessions: not used: a frame's numbers say which video it is of.

    Raises:
        ConfigError: the frame's sides are no multiples of the strides' product, or too small for the operator.

    Source:
        Chen et al., CVPR 2023, arXiv:2304.02633. Differs: its code calls a 3×3 stem what is a 1×1 one.
    """

    training_only: ClassVar = ("encoder",)
    recordable: ClassVar = True

    def __init__(self, config: BackboneConfig, size: tuple[int, int], sessions: int) -> None:
        super().__init__(config, size, sessions)
        assert isinstance(config, HnervConfig)
        self.config, self.grid = config, grid_of(size, config.strides)
        self.encoder = ConvNextEncoder(config.strides, config.encoder_width, config.code_channels)
        self.stem = nn.Conv2d(config.code_channels, config.channels, 1)
        widths = [config.channels]
        for _ in config.strides:
            widths.append(max(round(widths[-1] / config.reduction), config.lower_width))
        kernels = [min(2 * number + 1, config.largest_kernel) for number in range(len(config.strides))]
        self.blocks = up_blocks(config, self.grid, widths, kernels, bias=True)
        self.width = widths[-1]
        self._largest_activation = largest_of(self.grid, widths, config.strides)

    @property
    def largest_activation(self) -> int:
        """What the stem or a block gives."""
        return self._largest_activation

    @property
    def session_tensors(self) -> Mapping[str, SessionTensor]:
        """A head with its biases, and those of all layers."""
        return {**super().session_tensors, **head_tensors(self.width, kernel=3)}

    @property
    def frame_tensors(self) -> Mapping[str, tuple[int, ...]]:
        """The map that the decoder begins with."""
        return {"code": (self.config.code_channels, *self.grid)}

    def encode(self, query: Query, frames: Tensor) -> Mapping[str, Tensor]:
        """The encoder's map of each frame."""
        return {"code": self.encoder(frames)}

    def decode(self, query: Query, session: Mapping[str, Tensor], frame: Mapping[str, Tensor]) -> Output:
        """Stem, blocks, head and (tanh + 1) / 2."""
        features = channels_last(F.gelu(self.stem(frame["code"])))
        for block in self.blocks:
            features = block(features)
        return Output((session_conv(features, session["head"], session["head_bias"]).tanh() + 1) / 2)
