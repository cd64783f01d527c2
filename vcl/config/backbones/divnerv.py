"""Knobs of D-NeRV, the network of many videos and of their key frames."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from vcl.config.backbones.base import WIDEST, Activation, Time
from vcl.config.backbones.upsampling import UpsamplingConfig
from vcl.config.rules import require

_CHANNELS = {"XS": 107, "S": 166, "M": 213, "L": 291, "XL": 382}


@dataclass(frozen=True)
class DivnervConfig(UpsamplingConfig):
    """D-NeRV: small pictures of every few frames, and up-sampling blocks that move what is seen in them."""

    widths = ("channels", "stem_width", "key_width")
    fine_knob = ("stem_width", 1)
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        name: {"initial": "paper", "operator_block": 0, "channels": channels} for name, channels in _CHANNELS.items()
    }
    name: str = "divnerv"
    """Name of the backbone."""
    initial: Literal["paper", "scaled"] = "paper"
    """Range of the initial weights: as in the paper, which learns far sooner; or scaled."""
    strides: tuple[int, ...] = (4, 2, 2, 2, 2)
    """Upscaling factor of each block, and in reverse order downscaling of each stage of the encoder of key frames."""
    activation: Activation = "gelu"
    """Activation of the blocks."""
    levels: int = 240
    """Frequencies of the time, each with a sine and a cosine."""
    base: float = 1.25
    """Ratio of successive frequencies."""
    time: Time = "both_ends"
    """Position of a frame: t / (T - 1), or with from_zero t / T, or with to_one (t + 1) / T."""
    stem_width: int = 512
    """Width between the two layers of the stem."""
    channels: int = 213
    """Channels from the stem to block 1, beside those of the key frames; block 1 gives twice as many, and each block
    behind it the channels before it divided by its stride."""
    lower_width: int = 32
    """Fewest channels of a block after the first."""
    clip: int = 8
    """Frames from one key frame to the next; the last of a video is a key frame too."""
    key_scale: int = 4
    """Pixels of a frame's side for each that is stored of a key frame, which is their mean; height and width of a
    frame must be multiples."""
    key_width: int = 64
    """Channels of the encoder of key frames."""

    @property
    def unit(self) -> int:
        """What the product of the strides divides, and ``key_scale``."""
        return math.lcm(super().unit, self.key_scale)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_widths("levels", "lower_width", "clip", "key_scale", *self.widths)
        self.check_frequencies(self.levels, self.base)
        require(2 * self.channels <= WIDEST, "backbone.channels", f"be at most {WIDEST // 2}", self.channels)
