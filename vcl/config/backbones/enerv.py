"""Knobs of E-NeRV."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from vcl.config.backbones.base import WIDEST, Activation, Time
from vcl.config.backbones.upsampling import UpsamplingConfig
from vcl.config.rules import require


@dataclass(frozen=True)
class EnervConfig(UpsamplingConfig):
    """E-NeRV: tokens of the places of a frame times its time, and up-sampling blocks that the time modulates."""

    widths = (
        *("channels", "lower_width", "time_width", "token_width"),
        *("attention_width", "feedforward_width", "modulation_width"),
    )
    fine_knob = ("time_width", 1)
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "bunny": {"initial": "paper", "operator_block": 0, "session_embedding": "none", "strides": (5, 2, 2, 2, 2)}
    }
    name: str = "enerv"
    """Name of the backbone."""
    initial: Literal["paper", "scaled"] = "paper"
    """Range of the initial weights: as in the paper; scaled is too wide for products of tokens."""
    activation: Activation = "gelu"
    """Activation of the blocks."""
    levels: int = 80
    """Frequencies of each coordinate, of time and of the session, each with a sine and a cosine."""
    base: float = 1.25
    """Ratio of successive frequencies."""
    time: Time = "both_ends"
    """Position of a frame: t / (T - 1), or with from_zero t / T, or with to_one (t + 1) / T."""
    session_embedding: Literal["open", "none"] = "open"
    """Position of a session beside that of the frame, whatever the number of sessions; or none, as for one video."""
    time_width: int = 512
    """Width between the two layers that make a frame's time a vector."""
    token_width: int = 256
    """Numbers of a token, of which there is one for each pixel of the first map, and of that vector."""
    space_heads: int = 1
    """Heads of the attention among places, before time comes in."""
    heads: int = 8
    """Heads of the attention among tokens, after it."""
    attention_width: int = 64
    """Numbers that each head compares."""
    feedforward_width: int = 128
    """Width between the two layers after an attention."""
    modulation_width: int = 128
    """Width of the two layers from which each block gets its scales and shifts."""
    modulation_activation: Activation = "gelu"
    """Activation of scales and shifts; gelu, as in the paper's code, leaves next to none of the negative ones."""
    channels: int = 196
    """Channels from the tokens to block 1."""
    expansion: float = 3.0
    """Channels of block 1, relative to ``channels``."""
    reduction: int = 2
    """Factor by which each block from block 2 on reduces the channels."""
    lower_width: int = 96
    """Fewest channels of a block after the first."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_widths("levels", "space_heads", "heads", "reduction", *self.widths)
        self.check_frequencies(self.levels, self.base)
        first = self.channels * self.expansion
        require(first >= 1, "backbone.expansion", f"leave one of {self.channels} channels or more", self.expansion)
        require(first <= WIDEST, "backbone.expansion", f"give at most {WIDEST} channels", self.expansion)
