"""Knobs of networks of pixel coordinates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from vcl.config.backbones.base import BackboneConfig
from vcl.config.rules import require

_SINES = {"train": {"loss": "l2", "lr": 5e-4}}
"""Networks of sines learn nothing at the rates of others."""


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

    suggests: ClassVar[Mapping[str, Mapping[str, Any]]] = _SINES
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


@dataclass(frozen=True)
class TunerConfig(PixelConfig):
    """TUNER: sines of frozen frequencies, and a layer of sines whose weights are bounded."""

    suggests: ClassVar[Mapping[str, Mapping[str, Any]]] = _SINES
    name: str = "tuner"
    """Name of the backbone."""
    width: int = 256
    """Frequencies, and channels of the layer behind them."""
    period: float = 4.0
    """Length after which rows and columns repeat; a frame is 2 long."""
    time_period: float = 4.0
    """Length after which time repeats; a video is 2 long."""
    band: float = 1 / 6
    """The highest frequencies of rows and columns, as a share of what the pixels of a frame can show."""
    time_band: int = 4
    """The highest frequency of time, in turns in ``time_period``."""
    low_band: int = 7
    """The highest of the low frequencies of rows and columns, in turns in ``period``."""
    low_share: float = 0.7
    """Share of the frequencies that are low; the others lie on a coarse grid."""
    low_bound: float = 1.0
    """Bound of the weights of low frequencies; harmonics fall off fast up to 2."""
    high_bound: float = 0.5
    """Bound of the weights of the other frequencies."""
    omega: float = 30.0
    """What the weights and biases behind the frequencies are multiplied by, which sets how fast they learn."""
    l1: float = 0.0
    """Weight in the loss of the sum of |W| / ``omega`` over the live frequencies; 1e-7 is mild, 1e-5 smooths."""
    rounds: int = 0
    """How often frequencies are pruned, at even distances in the first half of a session; 0 for never, and all live."""
    prune: float = 0.2
    """Share of the live frequencies that a round lets go, rounded down: those whose |W| use least of their bounds."""
    reserve: float = 0.0
    """Share of the frequencies, rounded down, that wait at first: for each that a round lets go one of them comes."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_widths("width", "time_band", "low_band")
        for key in ("period", "time_period"):
            require(getattr(self, key) > 2, f"backbone.{key}", "be greater than 2", getattr(self, key))
        for key in ("band", "low_bound", "high_bound", "omega"):
            require(getattr(self, key) > 0, f"backbone.{key}", "be greater than 0", getattr(self, key))
        require(self.band <= 1, "backbone.band", "be at most 1", self.band)
        for key in ("time_band", "low_band"):
            require(getattr(self, key) <= 100, f"backbone.{key}", "be at most 100", getattr(self, key))
        require(0 <= self.low_share <= 1, "backbone.low_share", "lie in 0..1", self.low_share)
        require(self.l1 >= 0, "backbone.l1", "be 0 or more", self.l1)
        require(self.rounds >= 0, "backbone.rounds", "be 0 or more", self.rounds)
        require(0 < self.prune < 1, "backbone.prune", "lie between 0 and 1", self.prune)
        require(0 <= self.reserve < 1, "backbone.reserve", "be 0 or more and less than 1", self.reserve)
        require(not self.reserve or self.rounds > 0, "backbone.reserve", "be 0 where rounds is 0", self.reserve)
