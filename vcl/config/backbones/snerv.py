"""Knobs of SNeRV, the networks of wavelet bands."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from vcl.config.backbones.base import Activation
from vcl.config.backbones.upsampling import UpsamplingConfig
from vcl.config.rules import require

_PLAIN: dict[str, Any] = {"initial": "paper", "operator_block": 0}


@dataclass(frozen=True)
class SnervConfig(UpsamplingConfig):
    """Settings that all SNeRV have: a decoder of up-sampling blocks gives the four wavelet bands of a frame."""

    widths = ("channels",)
    fine_knob = ("stem_extra", 1)
    suggests: ClassVar[Mapping[str, Mapping[str, Any]]] = {"train": {"gradient_clip": 1.0}}
    name: str
    """Name of the backbone."""
    strides: tuple[int, ...] = (5, 4, 2, 2, 2)
    """Upscaling factor of each block, three or more, and in the same order downscaling of each stage of the encoder;
    height and width of a frame must be multiples of twice their product."""
    activation: Activation = "gelu"
    """Activation of the stem and of the blocks."""
    channels: int = 111
    """Channels from the stem to block 1, which those of the blocks follow from."""
    stem_extra: int = 0
    """More channels from the stem to block 1, which cost next to no time: they make up what ``size`` lacks."""
    reduction: float = 1.2
    """Factor by which each block reduces the channels."""
    lower_width: int = 12
    """Fewest channels of a block."""
    code_channels: int = 16
    """Channels of a frame's own numbers, of which there is a map of half the frame's size divided by the strides."""
    encoder_width: int = 64
    """Channels of the encoder, but for its last."""
    residual_blocks: int = 6
    """Residual blocks at each of the two scales where features of the last three blocks are mixed."""
    band_loss: float = 1.0
    """Weight of the loss of the bands, 0.7 L1 + 0.3 (1 - SSIM) of the low one and of the other three; that of the
    frame is 1."""

    @property
    def unit(self) -> int:
        """Twice the product of the strides, as the low band has half the frame's size."""
        return 2 * super().unit

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_widths("channels", "lower_width", "code_channels", "encoder_width", "residual_blocks")
        three = len(self.strides) >= 3
        require(three, "backbone.strides", "hold three numbers or more, of blocks to mix", list(self.strides))
        require(self.stem_extra >= 0, "backbone.stem_extra", "be 0 or more", self.stem_extra)
        require(self.reduction >= 1, "backbone.reduction", "be 1 or more", self.reduction)
        require(self.band_loss >= 0, "backbone.band_loss", "be 0 or more", self.band_loss)


@dataclass(frozen=True)
class SnervBConfig(SnervConfig):
    """SNeRV-B: wavelet bands of single frames, from blocks like those of HNeRV."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        size: {**_PLAIN, "channels": channels, "residual_blocks": blocks, "strides": strides}
        for size, channels, blocks, strides in (
            ("0.35M", 41, 2, (5, 4, 2, 2, 2)),
            ("0.75M", 57, 3, (5, 4, 2, 2, 2)),
            ("1.5M", 81, 4, (5, 4, 2, 2, 2)),
            ("3M", 111, 6, (5, 4, 2, 2, 2)),
            ("4.5M", 132, 8, (5, 4, 2, 2, 2)),
            ("6M", 148, 10, (5, 4, 2, 2, 2)),
            ("3M_480", 119, 6, (5, 3, 2, 2, 2)),
            ("3M_960", 100, 6, (5, 4, 3, 2, 2)),
            ("S", 95, 6, (5, 4, 3, 2, 2)),
            ("M", 120, 6, (5, 4, 3, 2, 2)),
            ("L", 150, 6, (5, 4, 3, 2, 2)),
        )
    }
    name: str = "snerv_b"
    """Name of the backbone."""
    largest_kernel: int = 5
    """Side of the convolutions of the later blocks: that of block i is 2 i - 1, up to this one."""

    def __post_init__(self) -> None:
        super().__post_init__()
        odd = self.largest_kernel >= 1 and self.largest_kernel % 2 == 1
        require(odd, "backbone.largest_kernel", "be an odd number from 1 up", self.largest_kernel)


@dataclass(frozen=True)
class SnervTConfig(SnervConfig):
    """SNeRV-T: wavelet bands of a frame, with features of the motion from the frame before and to the frame after."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        size: {
            **{**_PLAIN, "channels": channels, "residual_blocks": blocks},
            **{"strides": strides, "motion_strides": motion, "convolution": convolution},
        }
        for size, channels, blocks, strides, motion, convolution in (
            ("0.35M", 39, 2, (5, 4, 2, 2, 2), (4, 2, 2, 2, 2), "3d"),
            ("0.75M", 61, 3, (5, 4, 2, 2, 2), (4, 2, 2, 2, 2), "3d"),
            ("1.5M", 82, 4, (5, 4, 2, 2, 2), (4, 2, 2, 2), "3d"),
            ("3M", 103, 6, (5, 4, 2, 2, 2), (2, 2, 2, 2), "3d"),
            ("3M_2d", 103, 6, (5, 4, 2, 2, 2), (2, 2, 2, 2), "2d"),
            ("4.5M", 129, 8, (5, 4, 2, 2, 2), (2, 2, 2, 2), "3d"),
            ("6M", 146, 10, (5, 4, 2, 2, 2), (2, 2, 2, 2), "3d"),
            ("3M_480", 113, 6, (5, 3, 2, 2, 2), (3, 2, 2, 2), "3d"),
            ("3M_960", 96, 6, (5, 4, 3, 2, 2), (3, 2, 2, 2), "3d"),
        )
    }
    name: str = "snerv_t"
    """Name of the backbone."""
    activation: Activation = "gelu"
    """Activation of the stem and of the first layer of motion; blocks have a leaky ReLU."""
    channels: int = 103
    """Channels from the stem to block 1, which those of the blocks follow from."""
    motion_strides: tuple[int, ...] = (2, 2, 2, 2)
    """Downscaling of each stage of the two encoders of motion; height and width of a frame must be multiples of twice
    their product, which must be a multiple of that of the last three strides."""
    motion_channels: int = 3
    """Channels of each of the two maps of a frame's motion."""
    expansion: int = 2
    """Channels within a block, relative to those that it gives."""
    convolution: Literal["3d", "2d"] = "3d"
    """How the last three blocks mix the frame with its motion: by convolutions in time and space, or in space with the
    three times as channels."""
    loss_bounds: Literal["stored", "own"] = "stored"
    """By what the loss scales the true low band: the bounds that scale the decoded one, which are those of three
    frames; or, as in the paper's code, those of the frame itself, so that even a perfect frame has a loss."""

    @property
    def unit(self) -> int:
        """What twice the product of the strides divides, and twice that of those of motion."""
        return math.lcm(super().unit, 2 * math.prod(self.motion_strides))

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_widths("motion_channels", "expansion")
        are_strides = len(self.motion_strides) >= 1 and all(stride >= 1 for stride in self.motion_strides)
        require(are_strides, "backbone.motion_strides", "hold whole numbers from 1 up", list(self.motion_strides))
        last, product = math.prod(self.strides[-3:]), math.prod(self.motion_strides)
        rule = f"have a product that is a multiple of {last}, that of the last three of backbone.strides"
        require(product % last == 0, "backbone.motion_strides", rule, list(self.motion_strides))
