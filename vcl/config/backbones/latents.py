"""Knobs of networks that decode a grid of latent vectors at pixel coordinates."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from vcl.config.backbones.pixels import PixelConfig
from vcl.config.rules import require


@dataclass(frozen=True)
class LatentConfig(PixelConfig):
    """Settings that all networks with a grid of latent vectors of each frame have."""

    name: str
    """Name of the backbone."""
    strides: tuple[int, ...] = (5, 4, 2)
    """Downscaling of each stage of the encoder; height and width of a frame must be multiples of their product."""
    code_channels: int = 16
    """Channels of a frame's own numbers, of which there is a map of the frame's size divided by the strides."""
    encoder_width: int = 64
    """Channels of the encoder, but for its last."""

    @property
    def unit(self) -> int:
        """The product of the strides."""
        return math.prod(self.strides)

    def __post_init__(self) -> None:
        super().__post_init__()
        are_strides = len(self.strides) >= 1 and all(stride >= 1 for stride in self.strides)
        require(are_strides, "backbone.strides", "hold one whole number from 1 up for each stage", list(self.strides))
        self.check_widths("code_channels", "encoder_width")


@dataclass(frozen=True)
class LiifConfig(LatentConfig):
    """LIIF: a grid of latent vectors of each frame, decoded by a local implicit function."""

    suggests: ClassVar[Mapping[str, Mapping[str, Any]]] = {"train": {"loss": "l1"}}
    name: str = "liif"
    """Name of the backbone."""
    width: int = 256
    """Channels of every layer of the implicit function."""
    layers: int = 4
    """Layers of the implicit function before the head."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_widths("width", "layers")


@dataclass(frozen=True)
class VideoInrConfig(LatentConfig):
    """VideoINR: a grid of latent vectors of each frame and the next, decoded at any place and moment."""

    suggests: ClassVar[Mapping[str, Mapping[str, Any]]] = {"train": {"loss": "l1", "lr": 5e-4}}
    name: str = "videoinr"
    """Name of the backbone."""
    width: int = 192
    """Channels of every layer of the implicit functions."""
    omega: float = 30.0
    """Frequency of the layers' sines."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_widths("width")
        require(self.omega > 0, "backbone.omega", "be greater than 0", self.omega)
