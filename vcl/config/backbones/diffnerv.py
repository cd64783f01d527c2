"""Knobs of DNeRV, the network of frames and of differences between them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from vcl.config.backbones.base import Activation
from vcl.config.backbones.upsampling import UpsamplingConfig
from vcl.config.rules import require

_PLAIN: dict[str, Any] = {"initial": "paper", "operator_block": 0}


@dataclass(frozen=True)
class DiffnervConfig(UpsamplingConfig):
    """DNeRV: of each frame a few numbers of what is in it, and more of how it differs from those beside it."""

    widths = ("channels",)
    fine_knob = ("stem_extra", 1)
    suggests: ClassVar[Mapping[str, Mapping[str, Any]]] = {"train": {"gradient_clip": 0.1}}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "3.4M_960": {**_PLAIN, "channels": 92},
        "2M_960": {**_PLAIN, "channels": 70},
    }
    name: str = "diffnerv"
    """Name of the backbone."""
    strides: tuple[int, ...] = (5, 4, 4, 3, 2)
    """Upscaling factor of each block, and in the same order downscaling of each stage of the encoder of the content."""
    activation: Activation = "gelu"
    """Activation of the blocks."""
    channels: int = 92
    """Channels from the stem to block 1, which those of the blocks follow from."""
    stem_extra: int = 0
    """More channels from the stem to block 1, which cost next to no time: they make up what ``size`` lacks."""
    reduction: float = 1.2
    """Factor by which each block reduces the channels."""
    lower_width: int = 12
    """Fewest channels of a block."""
    code_channels: int = 16
    """Channels of the content's numbers, of which there is a map of the frame's size divided by the strides."""
    encoder_width: int = 64
    """Channels of the encoders, but for what they give."""
    largest_kernel: int = 5
    """Side of the convolutions of the later blocks: that of block i is 2 i - 1, up to this one."""
    fusion_block: int = 3
    """Block behind which the difference comes in, counted from 1."""
    difference_strides: tuple[int, ...] = (4, 3, 2)
    """Downscaling of each stage of the encoder of the difference; height and width of a frame must be multiples of
    their product, which must be a multiple of that of the strides of the blocks behind ``fusion_block``."""
    difference_channels: int = 2
    """Channels of the difference's numbers, of which there is a map of the frame's size divided by these strides."""

    @property
    def difference_scale(self) -> int:
        """Upscaling from the map of the difference's numbers to that behind ``fusion_block``."""
        return math.prod(self.difference_strides) // math.prod(self.strides[self.fusion_block :])

    @property
    def unit(self) -> int:
        """What the product of the strides divides, and that of those of the difference."""
        return math.lcm(super().unit, math.prod(self.difference_strides))

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_widths("channels", "lower_width", "code_channels", "encoder_width", "difference_channels")
        require(self.stem_extra >= 0, "backbone.stem_extra", "be 0 or more", self.stem_extra)
        require(self.reduction >= 1, "backbone.reduction", "be 1 or more", self.reduction)
        odd = self.largest_kernel >= 1 and self.largest_kernel % 2 == 1
        require(odd, "backbone.largest_kernel", "be an odd number from 1 up", self.largest_kernel)
        last = len(self.strides)
        require(1 <= self.fusion_block <= last, "backbone.fusion_block", f"lie in 1..{last}", self.fusion_block)
        strides = list(self.difference_strides)
        are_strides = len(strides) >= 1 and all(stride >= 1 for stride in strides)
        require(are_strides, "backbone.difference_strides", "hold whole numbers from 1 up", strides)
        behind = math.prod(self.strides[self.fusion_block :])
        rule = f"have a product that is a multiple of {behind}, that of backbone.strides behind fusion_block"
        require(math.prod(strides) % behind == 0, "backbone.difference_strides", rule, strides)
