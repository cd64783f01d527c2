"""Knobs of networks of pixel coordinates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from vcl.config.backbones.base import BackboneConfig
from vcl.config.rules import require


@dataclass(frozen=True)
class PixelConfig(BackboneConfig):
    """Settings that all networks of pixel coordinates have."""

    pixelwise: ClassVar[bool] = True
    suggests: ClassVar[Mapping[str, Mapping[str, Any]]] = {"train": {"loss": "l2"}}
    widths: ClassVar[tuple[str, ...]] = ("width",)
    fine_knob: ClassVar[tuple[str, float]] = ("width", 1)
    name: str
    """Name of the backbone."""
    points: int = 4096
    """Pixels of each frame that a step trains on, spread over the frame."""

    def __post_init__(self) -> None:
        self.check_widths("points")


@dataclass(frozen=True)
class NerfConfig(PixelConfig):
    """The MLP of NeRF: ReLU layers from sines and cosines of coordinates to colours."""

    name: str = "nerf"
    """Name of the backbone."""
    octaves: int = 10
    """Frequencies of each coordinate, from half a turn a frame's length up, each twice the one before."""
    width: int = 256
    """Channels of every layer."""
    layers: int = 8
    """Layers before the head."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_widths("octaves", "width", "layers")
        require(self.octaves <= 64, "backbone.octaves", "be at most 64", self.octaves)


@dataclass(frozen=True)
class SirenConfig(PixelConfig):
    """SIREN: sine layers from coordinates to colours."""

    name: str = "siren"
    """Name of the backbone."""
    width: int = 1024
    """Channels of every layer."""
    hidden_layers: int = 3
    """Layers between the first and the head."""
    first_omega: float = 30.0
    """Frequency of the first layer's sines."""
    omega: float = 30.0
    """Frequency of the other layers' sines."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_widths("width")
        require(self.hidden_layers >= 0, "backbone.hidden_layers", "be 0 or more", self.hidden_layers)
        for key in ("first_omega", "omega"):
            require(getattr(self, key) > 0, f"backbone.{key}", "be greater than 0", getattr(self, key))
