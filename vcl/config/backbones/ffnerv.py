"""Knobs of FFNeRV."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from vcl.config.backbones.base import WIDEST, Activation, Time
from vcl.config.backbones.upsampling import UpsamplingConfig
from vcl.config.rules import require


@dataclass(frozen=True)
class FfnervConfig(UpsamplingConfig):
    """FFNeRV: learned maps over time, up-sampling blocks, and neighbouring frames that flows move to this one."""

    widths = ("channels", "lower_width")
    fine_knob = ("lower_width", 1)
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "bunny": {
            **{"initial": "paper", "operator_block": 0, "strides": (5, 2, 2, 2, 2), "channels": 156},
            "grid_lengths": (64, 128, 256, 512),
        }
    }
    name: str = "ffnerv"
    """Name of the backbone."""
    activation: Activation = "gelu"
    """Activation of the blocks."""
    grid_lengths: tuple[int, ...] = (64, 128, 256, 512)
    """Learned maps of each grid, spread evenly over a video."""
    time: Time = "both_ends"
    """Position of a frame in the grids: t / (T - 1), or with from_zero t / T, or with to_one (t + 1) / T."""
    channels: int = 156
    """Channels of the maps of all grids together, to block 1."""
    expansion: float = 1.0
    """Channels of block 1, relative to ``channels``."""
    reduction: int = 2
    """Factor by which each block from block 2 on reduces the channels."""
    lower_width: int = 96
    """Fewest channels of a block after the first."""
    neighbours: tuple[int, ...] = (-2, -1, 1, 2)
    """Which frames are moved to a frame, relative to it. Each costs, in training and in decoding, what decoding a frame
    without them does."""
    flow_block: int = 2
    """Block, counted from 1, from whose features the flows and weights of the neighbours are made."""
    part_loss: float = 0.1
    """Weight of the loss, 0.7 L1 + 0.3 (1 - SSIM), of the frame that the network makes without its neighbours, and of
    that which it makes of them; that of the frame in which both are blended is 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_widths("channels", "reduction", "lower_width")
        first = self.channels * self.expansion
        require(first >= 1, "backbone.expansion", f"leave one of {self.channels} channels or more", self.expansion)
        require(first <= WIDEST, "backbone.expansion", f"give at most {WIDEST} channels", self.expansion)
        lengths, offsets = self.grid_lengths, self.neighbours
        are_lengths = len(lengths) >= 1 and all(2 <= length <= WIDEST for length in lengths)
        require(are_lengths, "backbone.grid_lengths", f"hold whole numbers in 2..{WIDEST}", list(lengths))
        enough = self.channels >= len(lengths)
        require(enough, "backbone.channels", f"be {len(lengths)} or more, one for each grid", self.channels)
        others = len(offsets) >= 1 and 0 not in offsets and len(set(offsets)) == len(offsets)
        require(others, "backbone.neighbours", "hold one or more different numbers other than 0", list(offsets))
        last = len(self.strides)
        require(1 <= self.flow_block <= last, "backbone.flow_block", f"lie in 1..{last}", self.flow_block)
        require(self.part_loss >= 0, "backbone.part_loss", "be 0 or more", self.part_loss)
