"""Knobs of NeRV."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from vcl.config.backbones.base import WIDEST, Activation, Time
from vcl.config.backbones.upsampling import UpsamplingConfig
from vcl.config.rules import require

_PLAIN: dict[str, Any] = {"biases": True, "session_embedding": "none", "initial": "paper", "operator_block": 0}
"""As in networks of one video."""

_PAPER = {**_PLAIN, "stem_activation": "silu"}

_LIGHT = {
    **_PLAIN,
    **{"levels": 80, "stem_width": 0, "strides": (5, 4, 2, 2), "reduce_first": True, "lower_width": 12},
    **{"head_kernel": 3, "activation": "gelu", "stem_activation": "gelu"},
}
"""The NeRV that HNeRV is compared with."""


@dataclass(frozen=True)
class NervConfig(UpsamplingConfig):
    """NeRV with a session-indexed input and, optionally, a Fourier subneural operator."""

    widths = ("stem_width", "channels", "lower_width")
    fine_knob = ("stem_width", 1)
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        **{name: {**_PAPER, "channels": channels} for name, channels in (("S", 26), ("M", 58), ("L", 112))},
        **{
            f"light_{size}": {**_LIGHT, "channels": channels}
            for size, channels in (("0.35M", 15), ("0.75M", 30), ("1.5M", 54), ("3M", 91))
        },
    }
    name: str = "nerv"
    """Name of the backbone."""
    levels: int = 40
    """Frequencies of the frame embedding and of the session embedding, each with a sine and a cosine."""
    time: Time = "from_zero"
    """Position of a frame: t / T, or with to_one (t + 1) / T, or with both_ends t / (T - 1)."""
    base: float = 1.25
    """Ratio of successive embedding frequencies."""
    stem_width: int = 512
    """Width of the first linear layer; 0 leaves it out."""
    stem_activation: Activation = "relu"
    """Activation of the linear layers."""
    channels: int = 112
    """Channels from the stem to block 1."""
    expansion: float = 1.0
    """Channels of block 1, relative to ``channels``."""
    reduce_first: bool = False
    """Let block 1 reduce the channels as the others do, in the place of ``expansion``; halves are then rounded to the
    even number."""
    reduction: int = 2
    """Factor by which each block from block 2 on reduces the channels."""
    lower_width: int = 96
    """Fewest channels of a block after the first."""
    biases: bool = False
    """Give each session biases in every layer."""
    head_kernel: int = 1
    """Side of the head's convolution, odd."""
    session_embedding: Literal["open", "fraction", "none"] = "open"
    """Position of a session: independent of the number of sessions, or (as in the paper's code) (s + 1) / (N + 1); or
    none as input, as in NeRV itself."""

    @property
    def needs_session_count(self) -> bool:
        """With the parity embedding, (s + 1) / (N + 1)."""
        return self.session_embedding == "fraction"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_widths("levels", "channels", "reduction", "lower_width", *["stem_width"] * (self.stem_width != 0))
        odd = self.head_kernel >= 1 and self.head_kernel % 2 == 1
        require(odd, "backbone.head_kernel", "be an odd number from 1 up", self.head_kernel)
        self.check_frequencies(self.levels, self.base)
        first = self.channels * self.expansion
        require(first >= 1, "backbone.expansion", f"leave one of {self.channels} channels or more", self.expansion)
        require(first <= WIDEST, "backbone.expansion", f"give at most {WIDEST} channels", self.expansion)
