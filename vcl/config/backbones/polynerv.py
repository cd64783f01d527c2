"""Knobs of PolyNeRV."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from vcl.config.backbones.base import Activation, Time
from vcl.config.backbones.upsampling import UpsamplingConfig
from vcl.config.rules import require


@dataclass(frozen=True)
class PolynervConfig(UpsamplingConfig):
    """PolyNeRV (the polynomial PNeRV): patches as products of polynomials of their place and time."""

    widths = ("channels", "lower_width", "code_width", "attention_width", "stem_channels")
    fine_knob = ("stem_channels", 1)
    # Twice the paper's, which trains for longer; at the 4e-3 of other networks products grow without bound.
    suggests: ClassVar[Mapping[str, Mapping[str, Any]]] = {"train": {"lr": 1e-3}}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        f"{blocks}_blocks": {
            **{"initial": "paper", "operator_block": 0, "session_embedding": "none"},
            "strides": (5, 2, 2, 1, *(1, 1) * (blocks - 2)),
        }
        for blocks in (2, 3, 4)
    }
    name: str = "polynerv"
    """Name of the backbone."""
    initial: Literal["paper", "scaled"] = "paper"
    """Range of the initial weights: as in the paper; scaled is too wide for so many products."""
    strides: tuple[int, ...] = (5, 2, 2, 1, 1, 1)
    """Upscaling factor of each factor of the blocks, two for each block; height and width of a patch must be multiples
    of their product."""
    activation: Activation = "gelu"
    """Activation of the convolutions of the blocks; there is no other."""
    patches: tuple[int, int] = (4, 4)
    """Patches of a frame, from top to bottom and from left to right."""
    cells: tuple[int, int] = (4, 4)
    """Cells of a patch whose places are encoded, likewise."""
    levels: int = 80
    """Frequencies of each coordinate, of time and of the session, each with a sine and a cosine."""
    base: float = 1.25
    """Ratio of successive frequencies."""
    time: Time = "from_zero"
    """Position of a frame: t / T, or with to_one (t + 1) / T, or with both_ends t / (T - 1)."""
    session_embedding: Literal["open", "none"] = "open"
    """Position of a session beside that of the frame, whatever the number of sessions; or none, as for one video."""
    code_width: int = 160
    """Numbers that place and time become, of which a patch is made."""
    attention_width: int = 160
    """Numbers by which cells are compared."""
    stem_channels: int = 101
    """Channels of the maps that the first map is made of; the default is that with the published size."""
    channels: int = 324
    """Channels of the first map and of the first factor."""
    reduction: int = 2
    """Factor by which each factor reduces the channels."""
    lower_width: int = 96
    """Fewest channels of a factor after the first."""
    seam_blur: float = 0.0
    """Width in pixels of a Gaussian by which whole frames are blurred along the seams of patches; 0 for none."""

    @property
    def unit(self) -> int:
        """The product of the strides, by the patches of both directions."""
        return super().unit * math.lcm(*self.patches)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_widths("levels", "reduction", *self.widths)
        in_pairs = len(self.strides) % 2 == 0
        require(in_pairs, "backbone.strides", "hold two whole numbers for each block", list(self.strides))
        for key in ("patches", "cells"):
            counts = getattr(self, key)
            require(min(counts) >= 1, f"backbone.{key}", "be 1 or more in both directions", list(counts))
        self.check_frequencies(self.levels, self.base)
        require(0 <= self.seam_blur < 100, "backbone.seam_blur", "lie in [0, 100)", self.seam_blur)
