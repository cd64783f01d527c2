"""Knobs of HNeRV."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from vcl.config.backbones.base import Activation
from vcl.config.backbones.upsampling import UpsamplingConfig
from vcl.config.rules import require

_PLAIN = {"initial": "paper", "operator_block": 0}


@dataclass(frozen=True)
class HnervConfig(UpsamplingConfig):
    """HNeRV: an encoder, in training alone, gives each frame a few numbers, which a decoder makes the frame of."""

    widths = ("channels",)
    fine_knob = ("lower_width", 1)
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        size: {**_PLAIN, "channels": channels, "strides": strides}
        for size, channels, strides in (
            *((name, channels, (5, 4, 4, 2, 2)) for name, channels in (("0.35M", 32), ("0.75M", 48), ("1.5M", 68))),
            ("3M", 97, (5, 4, 4, 2, 2)),
            ("3M_480", 110, (5, 4, 3, 2, 2)),
            ("3M_960", 92, (5, 4, 4, 3, 2)),
        )
    }
    name: str = "hnerv"
    """Name of the backbone."""
    strides: tuple[int, ...] = (5, 4, 4, 2, 2)
    """Upscaling factor of each block, and in the same order downscaling of each stage of the encoder."""
    activation: Activation = "gelu"
    """Activation of the blocks."""
    channels: int = 97
    """Channels from the stem to block 1."""
    reduction: float = 1.2
    """Factor by which each block reduces the channels."""
    lower_width: int = 12
    """Fewest channels of a block."""
    code_channels: int = 16
    """Channels of a frame's own numbers, of which there is a map of the frame's size divided by the strides."""
    encoder_width: int = 64
    """Channels of the encoder, but for its last."""
    largest_kernel: int = 5
    """Side of the convolutions of the later blocks: that of block i is 2 i - 1, up to this one."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_widths("channels", "lower_width", "code_channels", "encoder_width")
        require(self.reduction >= 1, "backbone.reduction", "be 1 or more", self.reduction)
        odd = self.largest_kernel >= 1 and self.largest_kernel % 2 == 1
        require(odd, "backbone.largest_kernel", "be an odd number from 1 up", self.largest_kernel)
