"""Knobs that all networks of up-sampling blocks have."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from vcl.config.backbones.base import Activation, BackboneConfig
from vcl.config.rules import require


@dataclass(frozen=True)
class UpsamplingConfig(BackboneConfig):
    """A network whose blocks each scale its features up, one of them perhaps with a Fourier subneural operator."""

    operator_knob: ClassVar[str] = "operator_block"
    strides: tuple[int, ...] = (5, 2, 2, 2, 2)
    """Upscaling factor of each block; height and width of a frame must be multiples of their product."""
    activation: Activation = "silu"
    """Activation of the blocks."""
    operator_block: int = 0
    """Block with the Fourier operator, counted from 1; 0 means none. f-NeRV2 is block 1, f-NeRV3 is block 2."""
    operator_path: Literal["sum", "only"] = "sum"
    """Add the operator to the convolution, or replace the convolution by it."""
    operator_spectrum: Literal["centred", "packed"] = "centred"
    """Where negative vertical frequencies go in the upscaled spectrum: to its end, or (as in the paper's code) where
    they were."""

    @property
    def unit(self) -> int:
        """The product of the strides."""
        return math.prod(self.strides)

    def __post_init__(self) -> None:
        are_strides = len(self.strides) >= 1 and all(stride >= 1 for stride in self.strides)
        require(are_strides, "backbone.strides", "hold one whole number from 1 up for each block", list(self.strides))
        last = len(self.strides)
        require(0 <= self.operator_block <= last, "backbone.operator_block", f"lie in 0..{last}", self.operator_block)
