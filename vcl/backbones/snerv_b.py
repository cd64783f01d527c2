"""SNeRV-B: the wavelet bands of a frame, of the frame's own numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from vcl.backbones.bands import BandsBackbone, bounds_of, normalised
from vcl.backbones.upsampling import up_blocks
from vcl.config import BackboneConfig
from vcl.config.backbones import SnervBConfig
from vcl.layers.wavelet import haar
from vcl.query import Output, Query


class SnervB(BandsBackbone):
    """A ConvNeXt encoder of the low band, a 1×1 stem, and up-sampling blocks whose kernels grow.

    Args:
        config: a ``SnervBConfig``.
        size: as of ``BandsBackbone``.
        sessions: not used.

    Raises:
        ConfigError: the network cannot make frames of this size, or its maps are too small for the operator.

    Source:
        Kim, Lee and Kang, ECCV 2024, arXiv:2501.01681. Differs: bounds of the low band are those of each
        frame, where its code takes those of a batch and so trains on one frame at a time.
    """

    recordable: ClassVar = True

    def __init__(self, config: BackboneConfig, size: tuple[int, int], sessions: int) -> None:
        super().__init__(config, size, sessions)
        assert isinstance(config, SnervBConfig)
        kernels = [min(2 * number + 1, config.largest_kernel) for number in range(len(config.strides))]
        self.blocks = up_blocks(config, self.grid, self.channels, kernels, bias=True)

    def encode(self, query: Query, frames: Tensor) -> Mapping[str, Tensor]:
        """The encoder's map of the low band of each frame, and the bounds of that band."""
        low, _ = haar(frames)
        bounds = bounds_of(low)
        return {"code": self.encoder(normalised(low, bounds)), "bounds": bounds}

    def decode(self, query: Query, session: Mapping[str, Tensor], frame: Mapping[str, Tensor]) -> Output:
        """Stem, blocks, and bands of what the last three give."""
        features = self.first_features(frame["code"])
        scales = []
        for block in self.blocks:
            features = block(features)
            scales.append(features)
        return self.bands(scales[-3:], session, frame["bounds"])
